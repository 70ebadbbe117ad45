"""What one simulated sample holds: copies of species, and points for all that has no model of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomograms.coordinates import to_index
from tomograms.simulator import membranes
from tomograms.simulator.densities import Species, from_beads
from tomograms.simulator.placement import Poses, Room
from tomograms.simulator.settings import REFERENCE_SHAPE, REFERENCE_VOXEL_SIZE, Conditions, Range, Settings
from tomograms.simulator.structures import distractor

DISTRACTOR_KINDS = 6
MARGIN = 10.0
"""Voxels beyond the border in which objects lie, too, so that the border cuts some of them."""


@dataclass(frozen=True)
class Scene:
    """A sample.

    Attributes
    ----------
    shape
        Of the tomogram, (z, y, x).
    voxel_size
        Å.
    species, poses
        The kinds of objects and where their copies are; what is not labelled has an empty name.
    points
        ``(n, 3)`` zyx, voxels: membranes, gold and lumps.
    weights
        ``(n,)`` daltons of protein that scatter as much.
    """

    shape: tuple[int, int, int]
    voxel_size: float
    species: tuple[Species, ...]
    poses: tuple[Poses, ...]
    points: NDArray[np.float64]
    weights: NDArray[np.float64]


def compose(
    settings: Settings,
    conditions: Conditions,
    species: Sequence[Species],
    shape: tuple[int, int, int],
    rng: np.random.Generator,
) -> Scene:
    """Return a sample with as many objects as its volume asks for.

    Raises
    ------
    InputError
        If there is no room for them.
    """
    voxel_size = settings.voxel_size
    size = np.asarray(shape, float)
    lower, upper = np.full(3, -MARGIN), size - 1 + MARGIN
    half = conditions.thickness / voxel_size / 2
    lower[0], upper[0] = max(lower[0], (size[0] - 1) / 2 - half), min(upper[0], (size[0] - 1) / 2 + half)
    share = float(np.prod(upper - lower)) * voxel_size**3 / (np.prod(REFERENCE_SHAPE) * REFERENCE_VOXEL_SIZE**3)

    def number(wanted: Range, factor: float) -> int:
        return int(np.floor(rng.uniform(*wanted) * factor * share + rng.uniform()))

    room = Room(lower, upper, voxel_size)
    clouds = [_cloud(room, settings, kind, rng) for kind in ("vesicle",) * number(settings.vesicles, 1)]
    clouds += [_cloud(room, settings, kind, rng) for kind in ("gold",) * number(settings.gold, 1)]
    if settings.lumps[1]:
        clouds += [_cloud(room, settings, kind, rng) for kind in ("lump",) * number(settings.lumps, 1)]
    counts = [number(settings.counts.get(s.name, settings.other_count), conditions.crowding) for s in species]
    if settings.absent[1]:  # nothing is drawn where no species can be missing
        absent = rng.uniform(*settings.absent)
        counts = [0 if s.name and rng.uniform() < absent else n for s, n in zip(species, counts, strict=True)]
    unlabelled = number(settings.distractors, conditions.crowding)
    kinds = [from_beads("", distractor(rng), voxel_size) for _ in range(min(DISTRACTOR_KINDS, unlabelled))]
    counts += [len(range(i, unlabelled, len(kinds))) for i in range(len(kinds))]
    everything = (*species, *kinds)
    poses = room.place(everything, counts, clustering=conditions.clustering, rng=rng)
    clouds = [cloud for cloud in clouds if len(cloud[0])]
    points = np.concatenate([p for p, _ in clouds]) if clouds else np.empty((0, 3))
    weights = np.concatenate([w for _, w in clouds]) if clouds else np.empty(0)
    return Scene(shape, voxel_size, everything, tuple(poses), points, weights)


def _cloud(
    room: Room, settings: Settings, kind: str, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place a vesicle, a gold bead or a lump, or nothing where a few tries find no room: nobody asks for it by name."""
    if kind == "gold":
        points, weights = membranes.gold(rng.uniform(*settings.gold_radius))
    elif kind == "lump":
        points, weights = membranes.lump(rng.uniform(*settings.lump_radius), rng)
    else:
        points, weights = membranes.vesicle(rng.uniform(*settings.vesicle_radius), rng)
    for _ in range(20):
        centre = rng.uniform(room.lower, room.upper)
        placed = centre + to_index(points, settings.voxel_size)
        keep = (placed[:, 0] >= room.lower[0]) & (placed[:, 0] <= room.upper[0])
        if room.free(placed[keep]):
            room.take(placed[keep])
            return placed[keep], weights[keep]
    return np.empty((0, 3)), np.empty(0)
