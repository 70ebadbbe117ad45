"""Where objects lie: at random, clustered, in any orientation, never inside each other.

What is taken is marked voxel by voxel, so that a trial costs the voxels of one object whatever the number of the
others; no pair of objects is ever compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tomograms.coordinates import to_index
from tomograms.errors import InputError
from tomograms.simulator.densities import Species

TRIES = 400
RIM = 32
"""Voxels around the room that are kept account of, for what reaches out of it."""


@dataclass(frozen=True)
class Poses:
    """Where the copies of one species are.

    Attributes
    ----------
    position
        ``(n, 3)`` zyx, voxels of the tomogram; may lie somewhat outside of it.
    rotation
        ``(n, 3, 3)``: turns xyz vectors of the species' own frame into the tomogram's.
    """

    position: NDArray[np.float64]
    rotation: NDArray[np.float64]


class Room:
    """The space of one tomogram, and what of it is taken."""

    def __init__(self, lower: NDArray[np.float64], upper: NDArray[np.float64], voxel_size: float) -> None:
        """Make an empty room between two corners (zyx, voxels) for the objects' centres."""
        self.lower, self.upper, self.voxel_size = lower, upper, voxel_size
        self._origin = np.floor(lower) - RIM
        self._taken = np.zeros(tuple(np.ceil(upper - self._origin).astype(int) + RIM), bool)
        self._centres: list[NDArray[np.float64]] = []

    def place(
        self, species: Sequence[Species], counts: Sequence[int], *, clustering: float, rng: np.random.Generator
    ) -> list[Poses]:
        """Place so many copies of each species; the largest come first.

        Raises
        ------
        InputError
            If a species has no room.
        """
        poses: list[Poses] = [Poses(np.empty((0, 3)), np.empty((0, 3, 3)))] * len(species)
        for index in sorted(range(len(species)), key=lambda i: (-species[i].reach, i)):
            placed = [self._place_one(species[index], k, counts[index], clustering, rng) for k in range(counts[index])]
            if placed:
                poses[index] = Poses(np.array([p for p, _ in placed]), np.array([r for _, r in placed]))
        return poses

    def take(self, points: NDArray[np.float64]) -> None:
        """Take the voxels that hold points (zyx, voxels), such as a membrane's."""
        self._taken[tuple(self._voxels(points).T)] = True

    def free(self, points: NDArray[np.float64]) -> bool:
        """Return whether no point (zyx, voxels) lies in a taken voxel."""
        return not self._taken[tuple(self._voxels(points).T)].any()

    def _voxels(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        voxels = np.rint(points - self._origin).astype(np.int64)
        return voxels[np.all((voxels >= 0) & (voxels < self._taken.shape), axis=1)]

    def _place_one(
        self, species: Species, done: int, wanted: int, clustering: float, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        reach = species.reach / self.voxel_size
        for _ in range(TRIES):
            rotation = Rotation.random(rng=rng).as_matrix()
            centre = rng.uniform(self.lower, self.upper)
            if self._centres and rng.uniform() < clustering:
                step = rng.normal(size=3)
                distance = reach * rng.uniform(1.0, 2.2)
                centre = self._centres[rng.integers(len(self._centres))] + step / np.linalg.norm(step) * distance
                if np.any((centre < self.lower) | (centre > self.upper)):
                    continue
            points = centre + to_index(species.outline @ rotation.T, self.voxel_size)
            if self.free(points):
                self.take(points)
                self._centres.append(centre)
                return centre, rotation
        raise InputError(
            f"simulator: expected room for {wanted} x {species.name or 'distractor'} without overlaps, but only "
            f"{done} fit after {TRIES} tries each; lower the counts or the crowding"
        )
