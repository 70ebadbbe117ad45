"""Whether a volume, the folder that it lies in, and the picks in it agree."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tomograms.coordinates import Extent, extent, inside
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.picks import NEAR, PickSet
from tomograms.tables import some_of
from tomograms.volume import Volume

SOME = 3
"""Positions of a species in a tomogram, at least: so many do not meet in one corner by chance."""
TENTH = 10.0
"""Å in a nanometre."""
SMALLEST = 3.0
"""Å per voxel; with smaller ones, voxels and Å cannot be told apart."""


def check_spacing(volume: Volume, name: str) -> Volume:
    """Return a volume whose voxel size is that of the folder it lies in, which its name tells in Å.

    Raises
    ------
    InputError
        If they differ by more than 1 %; the competition's tomograms have 10.012 Å in a folder called 10.000.
    """
    try:
        expected = float(name)
    except ValueError:
        raise InputError(f"{volume.source}: expected a folder that tells its voxel size, but got {name!r}") from None
    if not abs(volume.voxel_size / (expected or math.inf) - 1) <= NEAR:
        raise InputError(
            f"{volume.source}: expected the voxel size of its folder, {name} Å within 1 %, but its metadata say "
            f"{volume.voxel_size:g} Å"
        )
    return volume


def check_inside(pick_set: PickSet, particle: Particle, volume: Volume) -> None:
    """Refuse a pick that no prediction inside the volume can hit, which is one outside it by over half its radius.

    Closer ones occur where a volume was cut from a larger one, and a part of the particle is seen.
    """
    margin = 0.5 * particle.radius
    outside = np.flatnonzero(~inside(pick_set.position, volume.shape, volume.voxel_size, margin=margin))
    if len(outside):
        point = ", ".join(f"{value:.1f}" for value in pick_set.position[outside[0]])
        low, high = extent(volume.shape, volume.voxel_size)
        box = ", ".join(f"{a:.1f} to {b:.1f}" for a, b in zip(low, high, strict=True))
        raise InputError(
            f"{pick_set.source}: point {outside[0]}: expected x, y, z within the volume ({box} Å) "
            f"or at most half a radius ({margin:g} Å) outside, but got {point} Å"
        )


def doubtful_units(table: pd.DataFrame, volumes: Mapping[str, Extent], what: str) -> str:
    """Return a sentence where positions in Å look as if they were in voxels or nanometres; empty if none do.

    They do where all of a species in a tomogram lie in the corner that voxels or nanometres would fill.

    Parameters
    ----------
    table
        ``experiment, particle_type, x, y, z`` (Å).
    volumes
        Those that are known.
    what
        What they are called.
    """
    found: dict[str, float] = {}
    for (name, _), rows in table.groupby(["experiment", "particle_type"]):
        volume = volumes.get(str(name))
        if volume is None or len(rows) < SOME or volume.voxel_size < SMALLEST:
            continue
        _, high = extent(volume.shape, volume.voxel_size)
        share = float((rows[["x", "y", "z"]].to_numpy() / high).max())
        if share < 1 / min(volume.voxel_size, TENTH):
            found[str(name)] = max(share, found.get(str(name), 0.0))
    if not found:
        return ""
    return (
        f"{what} of a species lie within the first {100 * max(found.values()):.2g} % of the volume along x, y and z in "
        f"{some_of(found)}: are they in voxels or nanometres, and not in Å?"
    )


def repeated(table: pd.DataFrame) -> str:
    """Return a sentence where picks of a species stand at one place several times; empty if none do.

    Parameters
    ----------
    table
        ``experiment, particle_type, x, y, z``.
    """
    again = table[table.duplicated(["experiment", "particle_type", "x", "y", "z"])]
    if again.empty:
        return ""
    found = again.groupby("experiment").size()
    return (
        "picks that stand at the same place as another of their species, each of which counts as a particle: "
        f"{some_of(f'{count} in {name}' for name, count in found.items())}"
    )
