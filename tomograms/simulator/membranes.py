"""Vesicles and gold as clouds of points, which are projected one by one: no box limits their size."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

AREA = 80.0
"""Å² of a leaflet for each point."""
LIPID = 0.55 * AREA * 20.0
"""Daltons of protein that scatter as one point: half a bilayer, 20 Å thick."""
HEADS = 36.0
"""Distance between the two layers of head groups, Å."""
GOLD_SPACING = 8.0
GOLD = 0.81 * 10 * GOLD_SPACING**3
"""Gold scatters about ten times as much as protein."""


def sphere(number: int) -> NDArray[np.float64]:
    """Return ``(number, 3)`` evenly spread directions (the Fibonacci lattice)."""
    k = np.arange(number) + 0.5
    z, angle = 1 - 2 * k / number, np.pi * (1 + np.sqrt(5)) * k
    ring = np.sqrt(np.clip(1 - z * z, 0, None))
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)


def vesicle(radius: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points (xyz, Å from the centre) of a slightly deformed lipid vesicle, and their weights."""
    number = int(4 * np.pi * radius**2 / AREA)
    directions = sphere(number)
    turn = Rotation.random(rng=rng).as_matrix()
    directions = directions @ turn.T
    modes = rng.normal(size=(3, 3)) * 0.5
    shape = np.einsum("ni,ij,nj->n", directions, modes + modes.T, directions)
    shape += 0.3 * np.einsum(
        "ni,nj,nk,ijk->n", directions, directions, directions, rng.normal(size=(3, 3, 3)), optimize=True
    )
    surface = radius * (1 + 0.05 * shape)
    points = np.concatenate([directions * (surface + side * HEADS / 2)[:, None] for side in (-1, 1)])
    return points, np.full(len(points), LIPID)


def gold(radius: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points (xyz, Å from the centre) of a gold bead, and their weights."""
    axis = np.arange(-radius, radius + GOLD_SPACING, GOLD_SPACING)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    points = points[np.linalg.norm(points, axis=1) <= radius]
    return points, np.full(len(points), GOLD)
