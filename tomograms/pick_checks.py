"""Whether a volume, the folder that it lies in, and the picks in it agree."""

import math

import numpy as np

from tomograms.coordinates import extent, inside
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.picks import NEAR, PickSet
from tomograms.volume import Volume


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
