"""Voxel <-> Å: the one place that knows axis order, origin and pixel centres.

Convention: arrays are indexed ``(z, y, x)``; the *centre* of voxel ``(0, 0, 0)`` lies at 0 Å, so a position is
``index * voxel_size`` and an index may be fractional. Tables and files hold ``x, y, z`` in Å.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

AXES = ("z", "y", "x")


@dataclass(frozen=True)
class Extent:
    """A volume's ``shape`` (z, y, x) in voxels and its ``voxel_size`` in Å."""

    shape: tuple[int, ...]
    voxel_size: float


def to_angstrom(
    index: ArrayLike,  # (n, 3) zyx, voxels
    voxel_size: float,
) -> NDArray[np.float64]:  # (n, 3) xyz, Å
    """Return the positions (x, y, z) in Å of voxel indices (z, y, x)."""
    return np.asarray(index, np.float64).reshape(-1, 3)[:, ::-1] * voxel_size


def to_index(
    position: ArrayLike,  # (n, 3) xyz, Å
    voxel_size: float | NDArray[np.float64],  # or (n, 1)
) -> NDArray[np.float64]:  # (n, 3) zyx, voxels
    """Return the fractional voxel indices (z, y, x) of positions (x, y, z) in Å."""
    return np.asarray(position, np.float64).reshape(-1, 3)[:, ::-1] / voxel_size


def inside(
    position: ArrayLike,  # (n, 3) xyz, Å
    shape: tuple[int, ...],  # (z, y, x)
    voxel_size: float,
    *,
    margin: float | NDArray[np.float64] = 0.0,  # or (n, 1)
) -> NDArray[np.bool_]:  # (n,)
    """Return which positions lie in the volume, or at most ``margin`` Å outside it; see `extent`."""
    low, high = extent(shape, voxel_size)
    xyz = np.asarray(position, np.float64).reshape(-1, 3)
    return np.all((xyz >= low - margin) & (xyz <= high + margin), axis=1)


def extent(
    shape: tuple[int, ...],  # (z, y, x)
    voxel_size: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # (3,) and (3,) xyz, Å
    """Return the volume's lower and upper corner (x, y, z), its outermost voxels' full extent included."""
    high = (np.asarray(shape[::-1], np.float64) - 0.5) * voxel_size
    return np.full(3, -0.5 * voxel_size), high
