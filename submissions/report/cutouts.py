"""Cut-outs of particles: three planes through a position, of one size in radii, and their averages."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from tomograms.coordinates import to_index
from tomograms.tomogram import Tomogram

SIDE = 40
"""Pixels of a plane."""
REACH = 1.6
"""Half of a plane's side, in radii."""
SLAB = (-1.0, 0.0, 1.0)
"""Voxels off the plane that are averaged."""
CHUNK = 64


def planes(
    tomogram: Tomogram,
    position: NDArray[np.float64],  # (n, 3) xyz, Å
    radius: float,
) -> NDArray[np.float32]:  # (n, 3, SIDE, SIDE)
    """Return the planes xy, xz and yz through each position; outside the volume they are 0, the median.

    Rows of the first plane run along y, of the others along z; columns run along x, x and y.

    Parameters
    ----------
    tomogram
        Normalised.
    position
        Where.
    radius
        Of the species, Å.
    """
    half = REACH * radius / tomogram.voxel_size
    rows, columns = np.meshgrid(*[np.linspace(-half, half, SIDE)] * 2, indexing="ij")
    flat = np.zeros_like(rows)
    offsets = np.stack(
        [
            np.stack(plane)
            for off in SLAB
            for plane in ((flat + off, rows, columns), (rows, flat + off, columns), (rows, columns, flat + off))
        ]
    )  # (slab x 3, zyx, SIDE, SIDE)
    centre = to_index(position, tomogram.voxel_size)
    out = np.empty((len(centre), 3, SIDE, SIDE), np.float32)
    for start in range(0, len(centre), CHUNK):
        some = centre[start : start + CHUNK]
        place = some[:, None, :, None, None] + offsets
        sampled = map_coordinates(tomogram.volume, np.moveaxis(place, 2, 0), order=1, mode="constant", prefilter=False)
        out[start : start + CHUNK] = sampled.reshape(len(some), len(SLAB), 3, SIDE, SIDE).mean(axis=1)
    return out


def strip(cut: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:  # (SIDE, 3 x SIDE + 2 gaps)
    """Return three planes side by side as grey levels, ``low`` black and ``high`` white."""
    grey = to_grey(cut, low, high)
    gap = np.full((SIDE, 2), 255, np.uint8)
    return np.concatenate([grey[0], gap, grey[1], gap, grey[2]], axis=1)


def to_grey(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:
    """Return values as grey levels, ``low`` black and ``high`` white."""
    share = (np.asarray(values, np.float64) - low) / max(high - low, 1e-6)
    return np.round(255 * np.clip(share, 0, 1)).astype(np.uint8)


def contrast(values: Sequence[NDArray[np.floating]]) -> tuple[float, float]:
    """Return the grey levels that become black and white."""
    low, high = np.percentile(np.concatenate([one.ravel() for one in values]), [0.5, 99.5])
    return float(low), float(high)
