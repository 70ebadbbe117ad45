"""A tomogram in memory, and the one normalisation that every member sees."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomograms.errors import InputError


@dataclass(frozen=True)
class Tomogram:
    """A reconstructed volume.

    Attributes
    ----------
    name
        The run's name, the ``experiment`` of every table.
    volume
        ``(z, y, x)`` float32, dark particles.
    voxel_size
        Å per voxel, the same on each axis.
    """

    name: str
    volume: NDArray[np.float32]
    voxel_size: float


def normalise(volume: NDArray[np.float32], *, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return the volume in robust units: median 0, scale 1.4826 x MAD, clipped to [-12, 6].

    Real tomograms have values around 1e-5 and gold or ice at many deviations; the median and the median absolute
    deviation ignore both. The statistics are taken on a regular subsample of at most about a million voxels.

    Parameters
    ----------
    volume
        ``(z, y, x)``.
    out
        Where to write the result, possibly ``volume`` itself; by default a new array.

    Raises
    ------
    InputError
        If the volume is constant.
    """
    step = max(1, int(np.ceil((volume.size / 1e6) ** (1 / 3))))
    sample = volume[::step, ::step, ::step]
    median = float(np.median(sample))
    scale = 1.4826 * float(np.median(np.abs(sample - np.float32(median))))
    if not scale > 0:
        raise InputError(f"expected a volume with contrast, but got {median:g} nearly everywhere")
    out = np.empty(volume.shape, np.float32) if out is None else out
    for source, target in zip(volume, out, strict=True):  # slice by slice: a slice stays in the processor's cache
        np.subtract(source, np.float32(median), out=target)
        target *= np.float32(1 / scale)
        np.clip(target, -12.0, 6.0, out=target)
    return out
