"""A data set: runs with a tomogram and, where somebody has picked, their truth; checked, whatever it was read from."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from tomograms import phantom
from tomograms.coordinates import Extent
from tomograms.errors import InputError, NoTomogramError
from tomograms.masks import Masks, open_masks, to_grid
from tomograms.particles import Particle
from tomograms.picks import Choice, PickSet, join_truth
from tomograms.resampling import growth, resample
from tomograms.source import Source, open_source
from tomograms.tomogram import Tomogram, normalise
from tomograms.truth import truth_of


@dataclass(frozen=True)
class DataRecord:
    """How to open a data set again, as plain values for JSON.

    Attributes
    ----------
    root
        Its folder or config, an absolute path; ``None`` for the phantom, which each machine makes for itself.
    tomogram_type, user, session, voxel_spacing
        See `tomograms.picks.Choice`.
    working_voxel_size, mask
        See `Dataset`, and the name of its `tomograms.masks.Masks`.
    picks
        Where they lie, an absolute path, if that is not in the folder of MRC files.
    """

    root: str | None
    tomogram_type: str
    user: str | None
    session: str | None
    voxel_spacing: float | None
    working_voxel_size: float | None = None
    mask: str | None = None
    picks: str | None = None


@dataclass(frozen=True)
class Dataset:
    """Runs with their tomograms and picks, all checked.

    Attributes
    ----------
    source
        Where they lie.
    choice
        Which of several tomograms and pick sets.
    builtin
        Whether it is the phantom, which each machine makes for itself.
    working_voxel_size
        Å that tomograms are brought to when they are read; ``None`` leaves each as it is. Positions in Å stay the same.
    masks
        Where particles are looked for; ``None``: everywhere. Picks outside are no truth.
    picks_path
        Where the picks of MRC files lie, if that is not beside them.
    """

    source: Source
    choice: Choice
    builtin: bool
    working_voxel_size: float | None = None
    masks: Masks | None = None
    picks_path: Path | None = None

    @property
    def root(self) -> Path:
        """The folder, or the copick config's file."""
        return self.source.root

    @property
    def simulated(self) -> bool:
        """Whether figures that come from it must be labelled as simulated."""
        return self.source.simulated

    @property
    def particles(self) -> tuple[Particle, ...]:
        """Every species."""
        return self.source.particles

    def record(self) -> DataRecord:
        """Return how to open it again; see `open_recorded`."""
        return DataRecord(
            None if self.builtin else str(self.root.resolve()),
            **asdict(self.choice),
            working_voxel_size=self.working_voxel_size,
            mask=None if self.masks is None else self.masks.name,
            picks=None if self.picks_path is None else str(self.picks_path.resolve()),
        )

    def runs(self, split: str) -> tuple[str, ...]:
        """Return the sorted names of the runs of ``train`` or ``test``."""
        return self.source.runs(split)

    def shape(self, run: str) -> tuple[int, int, int]:
        """Return a volume's shape ``(z, y, x)`` without reading it."""
        return self.source.volume(run).shape

    def voxel_size(self, run: str) -> float:
        """Return a volume's own voxel size in Å without reading it."""
        return self.source.volume(run).voxel_size

    def extents(self, names: Iterable[str]) -> dict[str, Extent]:
        """Return the extents of tomograms without reading them."""
        return {name: Extent(v.shape, v.voxel_size) for name in names for v in [self.source.volume(name)]}

    def known_extents(self, names: Iterable[str]) -> dict[str, Extent]:
        """Return the extents of those tomograms that are there and not damaged; who reads the others is told."""
        found: dict[str, Extent] = {}
        for name in names:
            try:
                found |= self.extents([name])
            except InputError:
                continue
        return found

    def factor(self, run: str) -> float:
        """Return by how much a tomogram's voxels grow on reading; see `tomograms.resampling.growth`."""
        return growth(self.source.volume(run), self.working_voxel_size)

    def tomogram(self, run: str) -> Tomogram:
        """Read a run's tomogram with its mask, normalised, in the working voxel size.

        Raises
        ------
        InputError
            If the volume or its mask is damaged, has no contrast, or its voxels are far too large.
        """
        stored = self.source.volume(run)
        factor = growth(stored, self.working_voxel_size)
        mask = None if self.masks is None else self.masks.read(run)
        volume = stored.read()
        try:
            volume = normalise(volume, mask=mask, out=volume)
            if factor != 1:
                volume = resample(volume, factor)
                mask = None if mask is None else to_grid(mask, 1.0, volume.shape, factor)
                volume = normalise(volume, mask=mask, out=volume)  # with less noise than before
            return Tomogram(run, volume, stored.voxel_size * factor, mask)
        except InputError as error:
            raise InputError(f"{stored.source}: {error}") from None

    def has_tomogram(self, run: str) -> bool:
        """Return whether a run has a tomogram of the type and voxel spacing that were chosen, a damaged one included.

        Where several leave the choice open, it has one; whoever reads it is told.
        """
        try:
            self.source.volume(run)
        except NoTomogramError:
            return False
        except InputError:
            pass
        return True

    def has_picks(self, run: str) -> bool:
        """Return whether there are picks in a run, which includes a file of picks without points."""
        return bool(self._chosen(run))

    def picks(self, run: str) -> pd.DataFrame:
        """Read a run's picks: ``experiment, particle_type, x, y, z`` (Å).

        What a program has picked is passed over, unless its user was asked for; see `tomograms.picks.Choice.among`. So
        is what lies outside the mask.

        Raises
        ------
        InputError
            If a file or the mask is damaged, or the picks break a rule of `tomograms.truth.truth_of`.
        """
        return self.within_masks(self._all_picks(run))

    def outside_mask(self, run: str) -> int:
        """Return how many picks of a run lie outside its mask, and are therefore no truth; see `picks`."""
        picks = self._all_picks(run)
        return len(picks) - len(self.within_masks(picks))

    def within_masks(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return those rows (``experiment, x, y, z``, Å) that lie in the masks of their tomograms."""
        return table if self.masks is None else self.masks.within(table)

    def volume_hash(self, run: str) -> str:
        """Return a hash of what `tomogram` reads."""
        own = self.source.volume(run).fingerprint()
        return own if self.masks is None else f"{own} {self.masks.fingerprint([run])}"

    def fingerprint(self, runs: Iterable[str]) -> str:
        """Return a hash of the species and of the runs' volumes and picks."""
        digest = hashlib.sha256(repr(self.particles).encode())
        for run in sorted(runs):
            digest.update(f"\n{run} {self.volume_hash(run)}\n".encode())
            digest.update(self.picks(run).to_csv(index=False).encode())
        return digest.hexdigest()

    def _all_picks(self, run: str) -> pd.DataFrame:
        """Return a run's picks, whether they lie in its mask or not; see `picks`."""
        chosen = self._chosen(run)
        return truth_of(run, chosen, self.particles, self.source.volume(run)) if chosen else join_truth([])

    def _chosen(self, run: str) -> list[PickSet]:
        """Return the pick sets that are meant."""
        return self.choice.among(self.source.pick_sets(run))


def open_dataset(
    path: Path | None,
    *,
    tomogram_type: str = "denoised",
    user: str | None = None,
    session: str | None = None,
    voxel_spacing: float | None = None,
    working_voxel_size: float | None = None,
    mask: str | None = None,
    picks: str | Path | None = None,
) -> Dataset:
    """Open a data set.

    Parameters
    ----------
    path
        The root folder of a Kaggle tree, a copick config (a JSON file), a folder of MRC files, or ``None`` for the
        built-in phantom, which is made once.
    tomogram_type
        ``denoised``, ``wbp``, ...; a folder of MRC files has none.
    user, session
        Which picks, where there are several sets of them.
    voxel_spacing
        Å as in the folders' names, where there are several; of MRC files the voxel size, where headers have none.
    working_voxel_size
        See `Dataset`.
    mask
        Where masks lie; see `tomograms.masks.open_masks`.
    picks
        Where the picks of a folder of MRC files lie, if that is not in it: a file, or a folder of them.

    Raises
    ------
    InputError
        If there is nothing to be opened.
    """
    choice = Choice(tomogram_type, user, session, voxel_spacing)
    builtin = path is None
    if path is None:
        path = phantom.phantom_root()
    if not path.exists():
        raise InputError(f"{path}: no such data; expected a Kaggle tree, a copick config or a folder of MRC files")
    picks_path = None if picks is None else Path(picks)
    source = open_source(path, choice, picks_path)
    masks = None if mask is None else open_masks(mask, source)
    dataset = Dataset(source, choice, builtin, working_voxel_size, masks, picks_path)
    if (user or session) and not any(dataset.has_picks(run) for run in source.names()):
        raise InputError(f"{path}: expected picks of user {user or 'any'}, session {session or 'any'}, but found none")
    return dataset


def open_recorded(record: DataRecord) -> Dataset:
    """Open the data set that `Dataset.record` describes.

    Raises
    ------
    InputError
        If it is no longer there.
    """
    options = asdict(record)
    root = options.pop("root")
    return open_dataset(None if root is None else Path(root), **options)
