"""Vesicles, gold and contamination as clouds of points, which are projected one by one: no box limits their size."""

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
LUMP_SPACING = 12.0
LUMP = 0.81 * LUMP_SPACING**3
LUMP_DENSITY = (0.3, 1.3)
"""Of contamination, in units of protein's: crystalline ice scatters less, aggregates scatter alike."""


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


def lump(radius: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points (xyz, Å from the centre) of an irregular solid body, and their weights.

    The body is the part of a ball where a smooth random field is high: it has bays, corners and an uneven inside.
    """
    axis = np.arange(-radius, radius + LUMP_SPACING, LUMP_SPACING)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    points = points + rng.uniform(-0.4, 0.4, points.shape) * LUMP_SPACING
    waves = rng.normal(size=(12, 3))
    waves *= 2 * np.pi / (radius * rng.uniform(0.8, 3.0, (12, 1))) / np.linalg.norm(waves, axis=1, keepdims=True)
    field = np.cos(points @ waves.T + rng.uniform(0, 2 * np.pi, 12)).sum(axis=1) / np.sqrt(6)
    stretch = np.exp(rng.normal(0, 0.3, 3))
    distance = np.linalg.norm(points / (stretch / stretch.max()), axis=1) / radius
    inside = distance < 0.75 + 0.2 * field
    density = rng.uniform(*LUMP_DENSITY) * np.clip(1 + 0.3 * field[inside], 0.1, None)
    return points[inside], LUMP * density
