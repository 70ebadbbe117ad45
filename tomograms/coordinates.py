"""Voxel <-> Å: the one place that knows axis order, origin and pixel centres.

Convention: arrays are indexed ``(z, y, x)``; the *centre* of voxel ``(0, 0, 0)`` lies at 0 Å, so a position is
``index * voxel_size`` and an index may be fractional. Tables and files hold ``x, y, z`` in Å.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

AXES = ("z", "y", "x")


def to_angstrom(
    index: ArrayLike,  # (n, 3) zyx, voxels
    voxel_size: float,
) -> NDArray[np.float64]:  # (n, 3) xyz, Å
    """Return the positions (x, y, z) in Å of voxel indices (z, y, x)."""
    return np.asarray(index, np.float64).reshape(-1, 3)[:, ::-1] * voxel_size


def to_index(
    position: ArrayLike,  # (n, 3) xyz, Å
    voxel_size: float,
) -> NDArray[np.float64]:  # (n, 3) zyx, voxels
    """Return the fractional voxel indices (z, y, x) of positions (x, y, z) in Å."""
    return np.asarray(position, np.float64).reshape(-1, 3)[:, ::-1] / voxel_size


def inside(
    position: ArrayLike,  # (n, 3) xyz, Å
    shape: tuple[int, ...],  # (z, y, x)
    voxel_size: float,
) -> NDArray[np.bool_]:  # (n,)
    """Return which positions lie in the volume, its outermost voxels' full extent included."""
    index = to_index(position, voxel_size)
    return np.all((index >= -0.5) & (index <= np.asarray(shape) - 0.5), axis=1)
