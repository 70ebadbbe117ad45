"""A volume brought to another voxel size; the centre of voxel (0, 0, 0) stays where it is, so positions in Å hold."""

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from tomograms.errors import InputError
from tomograms.picks import NEAR
from tomograms.volume import Volume

FINEST = 4
"""How many times smaller voxels may be made at most: what a coarse tomogram does not show, no grid brings back."""
COARSEST = 32
"""How many times larger voxels may be made at most: more is a size in another unit than Å."""
SUPPORT = 2
"""Half-width of the cubic kernel, in voxels of the coarser grid."""


def growth(volume: Volume, working_voxel_size: float | None) -> float:
    """Return by how much a volume's voxels grow on reading; 1 where their size is near the working one, or none is set.

    Raises
    ------
    InputError
        If they would have to be made smaller by more than `FINEST`, or larger by more than `COARSEST`.
    """
    factor = 1.0 if working_voxel_size is None else working_voxel_size / volume.voxel_size
    if not 1 / FINEST <= factor <= COARSEST:
        limit = f"most {FINEST} times" if factor < 1 else f"least 1/{COARSEST} of"
        raise InputError(
            f"{volume.source}: expected a voxel size of at {limit} {working_voxel_size:g} Å, that of the run, but got "
            f"{volume.voxel_size:g} Å"
        )
    return 1.0 if abs(factor - 1) < NEAR else factor


def resample(volume: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Return a volume on a grid whose voxels are ``factor`` times as large.

    Cubic interpolation (Keys, a = -1/2); where voxels grow, the kernel grows with them, which takes out what the new
    grid cannot hold. One output slice is made at a time: beside both volumes, memory for a few slices is needed.

    Parameters
    ----------
    volume
        ``(z, y, x)``.
    factor
        New voxel size by old one. The last voxel of the result lies inside the volume.
    """
    along_z, along_y, along_x = (weights(size, factor) for size in volume.shape)
    out = np.empty((along_z.shape[0], along_y.shape[0], along_x.shape[0]), np.float32)
    for z, target in enumerate(out):
        row = along_z[[z]]
        plane = sum(weight * volume[index] for index, weight in zip(row.indices, row.data, strict=True))
        target[:] = (along_x @ (along_y @ plane).T).T
    return out


def weights(size: int, factor: float) -> scipy.sparse.csr_matrix:
    """Return the matrix that takes ``size`` samples to the coarser or finer grid; its rows add up to 1.

    Parameters
    ----------
    size
        Number of samples, at the positions 0, 1, 2, ...
    factor
        Distance of the new samples, which lie at 0, factor, 2 factor, ...; beyond the ends, the last one counts.
    """
    count = int((size - 1) / factor + 1e-6) + 1
    width = max(1.0, factor)
    centre = np.arange(count) * factor
    reach = int(np.ceil(SUPPORT * width))
    index = np.round(centre).astype(int)[:, None] + np.arange(-reach, reach + 1)
    value = _cubic((index - centre[:, None]) / width)
    value /= value.sum(axis=1, keepdims=True)
    rows = np.broadcast_to(np.arange(count)[:, None], index.shape)
    entries = (value.ravel().astype(np.float32), (rows.ravel(), np.clip(index, 0, size - 1).ravel()))
    matrix = scipy.sparse.csr_matrix(entries, shape=(count, size))  # equal places are added up
    matrix.eliminate_zeros()
    return matrix


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Keys' kernel: continuous, with a continuous slope, exact for parabolas on a grid of its own width."""
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d**2 + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d < 1, near, np.where(d < SUPPORT, far, 0.0))
