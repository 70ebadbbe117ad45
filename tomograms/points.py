"""The centres of the points that a JSON file of picks holds, and the voxels that they are told in."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomograms.errors import InputError

IDENTITY = np.eye(4).tolist()
"""Of the points that tell no ``transformation_``."""


def centres_of(points: list[Any], source: str) -> NDArray[np.float64]:  # (n, 3) xyz
    """Return the centres of ``points``: all at once, which takes a tenth of the time, unless one of them is odd."""
    try:
        place = [[point["location"][axis] for axis in "xyz"] for point in points]
        matrices = [point.get("transformation_") for point in points]
        shift = np.array([IDENTITY if matrix is None else matrix for matrix in matrices], np.float64)
        if all(type(value) is float for xyz in place for value in xyz) and shift.shape == (len(points), 4, 4):
            centres = np.array(place, np.float64) + shift[:, :3, 3]
            if np.isfinite(centres).all() and np.allclose(shift[:, 3], IDENTITY[3]):
                return centres
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        pass
    one_by_one = [_centre(point, f"{source}: point {number}") for number, point in enumerate(points)]
    return np.array(one_by_one, np.float64).reshape(-1, 3)


def voxel_size_of(content: Mapping[str, Any], source: str) -> float | None:
    """Return the size in Å of the voxels that a file's positions are in, if its ``voxel_spacing`` tells one."""
    told = content.get("voxel_spacing")
    if told is None:
        return None
    try:
        size = float(told)
    except (TypeError, ValueError, OverflowError):
        size = np.nan
    if not 0 < size < np.inf:
        raise InputError(f"{source}: expected a voxel_spacing above 0 Å for positions in voxels, but got {told!r}")
    return size


def _centre(point: Any, where: str) -> list[float]:
    """Return the centre xyz of one entry of ``points``."""
    location = point.get("location") if isinstance(point, Mapping) else None
    if not isinstance(location, Mapping):
        raise InputError(f"{where}: expected a location with x, y and z, but got {json.dumps(location)}")
    matrix = point.get("transformation_")
    try:
        transformation = np.asarray(IDENTITY if matrix is None else matrix, np.float64)
    except (TypeError, ValueError, OverflowError):
        transformation = np.empty(0)
    if transformation.shape != (4, 4):
        raise InputError(f"{where}: expected transformation_ to be a 4 x 4 matrix of numbers")
    centre = []
    for axis, shift in zip("xyz", transformation[:3, 3], strict=True):
        value = location.get(axis)
        number = float(value) if isinstance(value, float) or (type(value) is int and abs(value) < 1e15) else np.nan
        if not np.isfinite(number + shift):
            raise InputError(f"{where}: expected a finite number of Å for {axis}, but got {json.dumps(value)}")
        centre.append(number + float(shift))
    if not np.allclose(transformation[3], IDENTITY[3]):  # copick refuses it, too
        raise InputError(
            f"{where}: expected transformation_ to end with the row 0, 0, 0, 1, for a translation stands in the last "
            f"column, but got {json.dumps(matrix[3])}"
        )
    return centre
