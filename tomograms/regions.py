"""One annotated tomogram as several: regions that share no voxel and no particle, each a tomogram of its own.

Cross-validation holds out whole tomograms. Who has one holds out regions of it.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tomograms.console import console
from tomograms.coordinates import AXES, to_angstrom, to_index
from tomograms.dataset import Dataset, open_dataset
from tomograms.disk import require_space
from tomograms.errors import InputError
from tomograms.files import replacing, write_json
from tomograms.mrc_folder import PICKS, SPECIES
from tomograms.options import chosen
from tomograms.particles import Particle

LEAST = 4
"""Radii of the largest particle that a region must measure: less has no inside."""


@dataclass(frozen=True)
class Region:
    """A slab of a tomogram, whole along the other axes.

    Attributes
    ----------
    axis
        1 for y, 2 for x: that along which the tomogram is cut.
    low, high
        Its first voxel, and the one behind its last.
    """

    axis: int
    low: int
    high: int

    def of(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:  # (z, y, x) -> the same
        """Return its voxels."""
        return volume[:, self.low : self.high] if self.axis == 1 else volume[:, :, self.low : self.high]

    def picks(self, table: pd.DataFrame, voxel_size: float) -> pd.DataFrame:
        """Return the picks (Å) whose centres lie in it, in its own coordinates."""
        index = to_index(table[["x", "y", "z"]].to_numpy(), voxel_size)
        own = (index[:, self.axis] >= self.low - 0.5) & (index[:, self.axis] < self.high - 0.5)
        index[:, self.axis] -= self.low
        moved = table[own].reset_index(drop=True)
        moved[["x", "y", "z"]] = to_angstrom(index[own], voxel_size)
        return moved


def cut(shape: tuple[int, int, int], parts: int, gap: int) -> list[Region]:
    """Return equal regions along the longer of y and x (y of equal ones), ``gap`` voxels between them left out.

    Parameters
    ----------
    shape
        (z, y, x).
    parts
        How many; at least one voxel must be left for each.
    gap
        Voxels.
    """
    axis = 1 if shape[1] >= shape[2] else 2
    room = shape[axis] - gap * (parts - 1)
    edges = [room * part // parts for part in range(parts + 1)]
    return [Region(axis, edges[p] + gap * p, edges[p + 1] + gap * p) for p in range(parts)]


def split(arguments: argparse.Namespace) -> None:
    """Do what `tomograms.split` was asked for.

    Raises
    ------
    InputError
        If there is no tomogram with picks, or several and none is named; or it is too small; or the folder is not
        empty.
    """
    dataset = open_dataset(arguments.data, **chosen(arguments))
    run = _chosen(dataset, arguments.tomogram)
    stored, picks = dataset.source.volume(run), dataset.picks(run)
    largest = max(particle.radius for particle in dataset.particles) / stored.voxel_size
    regions = cut(stored.shape, arguments.parts, int(np.ceil(2 * largest)))
    if regions[0].high - regions[0].low < LEAST * largest:
        raise InputError(
            f"--parts: expected regions of at least {LEAST * largest:.0f} voxels, {LEAST} radii of the largest "
            f"particle, but {arguments.parts} of {run} have {regions[0].high - regions[0].low}"
        )
    out: Path = arguments.out
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: expected an empty folder, but it holds something")
    require_space(out, 4 * int(np.prod(stored.shape)), "the regions")
    out.mkdir(parents=True, exist_ok=True)
    volume, tables = stored.read(), []
    for number, region in enumerate(regions, start=1):
        name = f"{run}_part{number}"
        with replacing(out / f"{name}.mrc") as temporary, mrcfile.new(temporary, overwrite=True) as file:
            file.set_data(np.ascontiguousarray(region.of(volume)))
            file.set_volume()
            file.voxel_size = stored.voxel_size
        tables.append(region.picks(picks, stored.voxel_size).assign(experiment=name))
    table = pd.concat(tables, ignore_index=True)
    with replacing(out / PICKS) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    write_json(out / SPECIES, [_object(particle) for particle in dataset.particles])
    counts = ", ".join(str(len(own)) for own in tables)
    console().print(
        f"{out}: {len(regions)} regions of {run} along {AXES[regions[0].axis]}, with {counts} picks; "
        f"{len(picks) - len(table)} in the gaps between them are left out",
        soft_wrap=True,
    )


def _chosen(dataset: Dataset, name: str | None) -> str:
    """Return the tomogram that is meant: the one that is named, or the only one with picks."""
    picked = [run for run in dataset.source.names() if dataset.has_tomogram(run) and dataset.has_picks(run)]
    if name is not None and name not in picked:
        raise InputError(f"--tomogram: expected one with picks, {', '.join(picked) or 'none'}, but got {name!r}")
    if name is None and len(picked) != 1:
        raise InputError(
            f"{dataset.root}: expected one tomogram with picks, but {len(picked)} have some; name one (--tomogram), or "
            "hold out whole ones, which is worth more: evaluation.folds"
            if picked
            else f"{dataset.root}: expected a tomogram with picks, but none has any"
        )
    return name or picked[0]


def _object(particle: Particle) -> dict[str, object]:
    """Return a species as a copick config lists it."""
    return {
        "name": particle.name,
        "label": particle.label,
        "radius": particle.radius,
        "is_particle": True,
        "metadata": {"weight": particle.weight},
    }
