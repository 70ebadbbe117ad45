"""Kaggle's folder tree: ``{train,test}/{static,overlay}/ExperimentRuns/{run}/...``."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomograms.errors import InputError, NoTomogramError
from tomograms.ome_zarr import find_volume, open_store, write_volume
from tomograms.particles import CZII
from tomograms.pick_checks import check_spacing
from tomograms.picks import Choice, PickSet, parse_pick_set, write_pick_set
from tomograms.tables import some_of
from tomograms.volume import Volume

SPLITS = ("train", "test")
PREFIX, USUAL = "VoxelSpacing", "10.000"
SPACING = PREFIX + USUAL
"""The folder of every run of the competition: its nominal voxel size, Å."""
SIMULATED = "simulated.json"
"""A file in the root of a tree that was simulated."""


@dataclass(frozen=True)
class KaggleTree:
    """A Kaggle tree, read in place.

    Attributes
    ----------
    root
        The folder that holds ``train`` and ``test``.
    choice
        Which tomograms and picks; the voxel spacing, where it is not said, is 10.000 or else the only one.
    """

    root: Path
    choice: Choice
    particles = CZII
    """The species of the competition."""
    has_test_folder = True
    """Those of ``test``."""

    @property
    def simulated(self) -> bool:
        """Whether the tree says that it was simulated."""
        return (self.root / SIMULATED).exists()

    def names(self) -> tuple[str, ...]:
        """Return the sorted names of both splits' runs."""
        return tuple(sorted({name for split in SPLITS for name in self.runs(split)}))

    def runs(self, split: str) -> tuple[str, ...]:
        """Return the sorted names of a split's runs; none if the split is missing."""
        try:
            with os.scandir(_static(self.root, split)) as found:
                return tuple(sorted(entry.name for entry in found if entry.is_dir() and entry.name[0] != "."))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def volume(self, run: str) -> Volume:
        """Return a run's volume, found but not read.

        Raises
        ------
        InputError
            If the run or its tomogram type is missing, several voxel spacings leave the choice open, or the volume's
            metadata are wrong.
        """
        folder = _static(self.root, self._split(run)) / run
        spacings = [f.name.removeprefix(PREFIX) for f in folder.glob(f"{PREFIX}*") if f.is_dir()]
        spacing = self.choice.spacing(spacings, str(folder), usual=USUAL)
        path = folder / (PREFIX + spacing) / f"{self.choice.tomogram_type}.zarr"
        if not path.is_dir():
            types = sorted(f.stem for f in path.parent.glob("*.zarr"))
            raise NoTomogramError(f"{path}: no such tomogram type; there are {', '.join(types) or 'none'}")
        return check_spacing(find_volume(open_store(path), str(path)), spacing)

    def segmentations(self, run: str, name: str) -> list[Volume]:
        """Return no segmentations: only copick's projects hold some."""
        return []

    def pick_sets(self, run: str) -> list[PickSet]:
        """Return everybody's pick sets of a run; none if nobody has picked.

        Raises
        ------
        InputError
            If the run is missing or a file of picks is damaged.
        """
        folder = self.root / self._split(run) / "overlay" / "ExperimentRuns" / run
        programs = {file.stem for file in folder.glob("Provenance/*.json")}
        files = sorted(folder.glob("Picks/[!.]*.json"))
        return [parse_pick_set(file.read_bytes(), str(file), programs=programs) for file in files]

    def _split(self, run: str) -> str:
        """Return where a run lies. Kaggle's visible test runs are copies of training runs: those count as training."""
        if run and not run.startswith(".") and "/" not in run:
            for split in SPLITS:
                if (_static(self.root, split) / run).is_dir():
                    return split
        raise InputError(f"{self.root}: expected a run named {run}, but there are {some_of(self.names())}")


def is_tree(root: Path) -> bool:
    """Return whether a folder holds a Kaggle tree, or a part of one."""
    return any(_static(root, split).is_dir() for split in SPLITS)


def write_run(
    root: Path,
    split: str,
    run: str,
    *,
    volume: NDArray[np.float32],
    voxel_size: float,
    picks: dict[str, NDArray[np.float64]],
) -> None:
    """Write one run into a Kaggle tree.

    Parameters
    ----------
    root
        The tree's folder.
    split
        ``train`` or ``test``.
    run
        Its name.
    volume
        ``(z, y, x)``; the tomogram type is ``denoised``.
    voxel_size
        Å.
    picks
        ``(n, 3)`` xyz in Å by species.
    """
    runs = Path("ExperimentRuns") / run
    write_volume(root / split / "static" / runs / SPACING / "denoised.zarr", volume, voxel_size)
    for name, position in picks.items():
        file = root / split / "overlay" / runs / "Picks" / f"{name}.json"
        write_pick_set(file, position, user="curation", session="0", run=run)


def _static(root: Path, split: str) -> Path:
    """Return the folder of a split's volumes."""
    return root / split / "static" / "ExperimentRuns"
