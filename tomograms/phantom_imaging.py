"""From pseudo-atoms to a volume that looks like a denoised tomogram: tilt series geometry, noise, grey values."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from tomograms.coordinates import to_index


def splat(
    atoms: NDArray[np.float64],  # (n, 3) xyz, Å
    mass: NDArray[np.float64],  # (n,)
    shape: tuple[int, ...],  # (z, y, x)
    voxel_size: float,
) -> NDArray[np.float32]:  # (z, y, x)
    """Return the mass per voxel, each atom shared among its eight nearest voxels so that its centre of mass is kept."""
    index = to_index(atoms, voxel_size)
    base = np.floor(index).astype(np.intp)
    rest = index - base
    volume = np.zeros(int(np.prod(shape)))
    for corner in np.ndindex(2, 2, 2):
        where = base + corner
        share = mass * np.prod(np.where(corner, rest, 1 - rest), axis=1)
        kept = ((where >= 0) & (where < shape)).all(axis=1)
        flat = np.ravel_multi_index(tuple(where[kept].T), shape)
        volume += np.bincount(flat, share[kept], minlength=volume.size)
    return (volume.reshape(shape) / voxel_size**3).astype(np.float32)


def transfer(
    shape: tuple[int, ...],  # (z, y, x)
    voxel_size: float,
    *,
    max_tilt: float,
    step: float,
) -> NDArray[np.float32]:  # (z, y, x // 2 + 1), the layout of rfftn
    """Return what a tilt series about y passes, frequency by frequency.

    Each tilt fills one plane through the y axis, as thick as the volume is finite; the planes weigh less at high tilt,
    where the beam's way through the ice is longer and the dose is already high. Between and beyond the planes is
    nothing: the missing wedge. The band is limited by the contrast transfer at low and by denoising at high
    frequencies.

    Parameters
    ----------
    shape
        Of the volume.
    voxel_size
        Å.
    max_tilt, step
        Degrees.
    """
    kz = np.fft.fftfreq(shape[0], voxel_size)[:, None]
    ky = np.fft.fftfreq(shape[1], voxel_size)
    kx = np.fft.rfftfreq(shape[2], voxel_size)
    thickness = 0.6 / (voxel_size * min(shape[1:]))
    planes = np.zeros((shape[0], len(kx)))
    for tilt in np.deg2rad(np.arange(-max_tilt, max_tilt + step / 2, step)):
        off = kz * np.cos(tilt) - kx * np.sin(tilt)
        planes = np.maximum(planes, np.cos(tilt) * np.exp(-0.5 * (off / thickness) ** 2))
    k2 = kz[:, None] ** 2 + ky[:, None] ** 2 + kx**2
    band = (1 - 0.8 * np.exp(-k2 * 200.0**2)) * np.exp(-k2 * 42.0**2)
    return (planes[:, None, :] * band).astype(np.float32)


def image(
    density: NDArray[np.float32],  # (z, y, x)
    voxel_size: float,
    *,
    noise: float,
    max_tilt: float,
    step: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:  # (z, y, x)
    """Return the tomogram of a density: dark, noisy, with a missing wedge, in the grey values of real ones.

    Parameters
    ----------
    density
        Protein is 1.
    voxel_size
        Å.
    noise
        Standard deviation of the noise per voxel before the transfer, in units of protein density.
    max_tilt, step
        Degrees.
    rng
        The noise's source.
    """
    passed = transfer(density.shape, voxel_size, max_tilt=max_tilt, step=step)
    grain = rng.standard_normal(density.shape, dtype=np.float32)
    grain *= np.float32(noise)
    grain -= density
    spectrum = scipy.fft.rfftn(grain)
    spectrum *= passed
    volume = scipy.fft.irfftn(spectrum, s=density.shape)
    return (volume * np.float32(7e-6 / volume.std())).astype(np.float32)
