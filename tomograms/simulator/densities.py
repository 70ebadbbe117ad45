"""Densities on the tomogram's grid: band-limited, centred, and with the outline that placement needs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tomograms.coordinates import to_angstrom, to_index
from tomograms.simulator.structures import Beads

NYQUIST_AMPLITUDE = 0.1
"""What the Gaussian envelope leaves at the grid's Nyquist frequency; beyond it nothing is left."""


@dataclass(frozen=True)
class Species:
    """A kind of object that can be placed.

    Attributes
    ----------
    name
        Its ``particle_type``; empty for a distractor.
    density
        ``(d, d, d)`` float32, daltons of protein per voxel; the particle's centre is that of voxel ``d // 2``.
    outline
        ``(n, 3)`` xyz in Å from the centre: one for each voxel of the particle, its holes included.
    """

    name: str
    density: NDArray[np.float32]
    outline: NDArray[np.float64]

    @property
    def reach(self) -> float:
        """Distance of its outermost point from its centre, Å."""
        return float(np.linalg.norm(self.outline, axis=1).max())


def from_beads(name: str, beads: Beads, voxel_size: float) -> Species:
    """Return the species that the beads make, band-limited to the grid."""
    radius = float(np.linalg.norm(beads.position, axis=1).max())
    size = box_size(radius, voxel_size)
    frequency, half = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    spectrum = np.zeros((size, size * len(half)), np.complex64)
    for start in range(0, len(beads.weight), 4096):
        z, y, x = to_index(beads.position[start : start + 4096], voxel_size).T
        ey, ex = _waves(frequency, y), _waves(half, x)
        ez = _waves(frequency, z) * beads.weight[start : start + 4096, None].astype(np.float32)
        spectrum += ez.T @ (ey[:, :, None] * ex[:, None, :]).reshape(len(z), -1)
    return _finish(name, spectrum.reshape(size, size, -1), voxel_size)


def from_grid(
    name: str,
    grid: NDArray[np.float32],  # (z, y, x), 0 far from the particle
    centre: NDArray[np.float64],  # (3,) zyx, voxels of the grid
    grid_voxel_size: float,
    *,
    voxel_size: float,
    radius: float,
) -> Species:
    """Return the species of a density on another grid, resampled exactly (by its Fourier integral) and band-limited."""
    size = box_size(radius, voxel_size)
    frequency, half = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    ratio = grid_voxel_size / voxel_size
    waves = []
    for axis, k in enumerate((frequency, frequency, half)):
        wave = _waves(k, (np.arange(grid.shape[axis]) - centre[axis]) * ratio)
        wave[:, np.abs(k) * ratio > 0.5] = 0  # beyond the map's own Nyquist frequency there is nothing but its mirror
        waves.append(wave)
    spectrum = np.einsum("zyx,xc->zyc", grid.astype(np.complex64), waves[2], optimize=True)
    spectrum = np.einsum("zyc,yb->zbc", spectrum, waves[1], optimize=True)
    spectrum = np.einsum("zbc,za->abc", spectrum, waves[0], optimize=True)
    return _finish(name, spectrum, voxel_size)


def box_size(radius: float, voxel_size: float) -> int:
    """Return the (even) number of voxels along an edge of the box that holds a particle of that radius (Å)."""
    return 2 * (int(np.ceil(radius / voxel_size)) + 3)


def _waves(frequency: NDArray[np.floating], position: NDArray[np.float64]) -> NDArray[np.complex64]:
    return np.exp(-2j * np.pi * np.outer(position, frequency)).astype(np.complex64)


def _finish(name: str, spectrum: NDArray[np.complex64], voxel_size: float) -> Species:
    size = len(spectrum)
    frequency, half = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    square = frequency[:, None, None] ** 2 + frequency[:, None] ** 2 + half**2
    envelope = np.where(square <= 0.25, np.exp(np.log(NYQUIST_AMPLITUDE) * square / 0.25), 0)
    density = np.fft.fftshift(np.fft.irfftn(spectrum * envelope, s=(size,) * 3, axes=(0, 1, 2))).astype(np.float32)
    return Species(name, density, _outline(density, voxel_size))


def _outline(density: NDArray[np.float32], voxel_size: float) -> NDArray[np.float64]:
    """Return the centres (xyz, Å, from the box's centre) of the voxels that hold the particle, inner holes included."""
    inside = density > 0.25 * np.percentile(density[density > 0.1 * density.max()], 90)
    inside |= ndimage.binary_fill_holes(ndimage.binary_closing(inside, iterations=2))
    return to_angstrom(np.argwhere(inside) - len(density) // 2, voxel_size)
