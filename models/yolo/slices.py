"""Slices of a tomogram as uint8 images, and particles as circles in them.

An image's three channels are the slabs ``gap`` voxels below its slice, at it, and above it, so that the network sees
whether a cross-section grows or shrinks. The image is the slice times ``zoom``, padded with grey to a square whose side
suits the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tomograms.coordinates import to_index
from tomograms.particles import Particle, by_name

GREY = 114  # Ultralytics' own padding value: the median of a tomogram must look like its padding
LEVELS = 16.0  # grey levels per robust unit: -7 to 8.8 are kept
STRIDE = 32
POLYGON = 24


@dataclass(frozen=True)
class Canvas:
    """How a slice lies in its image.

    Attributes
    ----------
    shape
        Rows and columns of the slice, in voxels.
    zoom
        Pixels per voxel.
    side
        Rows and columns of the image.
    """

    shape: tuple[int, int]
    zoom: float
    side: int

    @property
    def inner(self) -> tuple[int, int]:
        """Rows and columns of the zoomed slice."""
        return (round(self.shape[0] * self.zoom), round(self.shape[1] * self.zoom))

    @property
    def offset(self) -> tuple[int, int]:
        """First row and column of the zoomed slice in the image."""
        return ((self.side - self.inner[0]) // 2, (self.side - self.inner[1]) // 2)

    @property
    def edges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Image coordinates (x, y) at which the zoomed slice begins and ends, ``(2,)`` each."""
        first = np.array(self.offset[::-1])
        return first, first + self.inner[::-1]

    def to_pixels(self, index: NDArray[np.floating]) -> NDArray[np.floating]:  # (..., 2) x, y -> the same
        """Return continuous image coordinates (0 is the image's edge) of voxel indices (0 is a voxel's centre)."""
        scale = np.array([self.inner[1] / self.shape[1], self.inner[0] / self.shape[0]])
        return (index + 0.5) * scale + np.array(self.offset[::-1])

    def to_index(self, pixels: NDArray[np.floating]) -> NDArray[np.floating]:  # (..., 2) x, y -> the same
        """Return the voxel indices of continuous image coordinates."""
        scale = np.array([self.inner[1] / self.shape[1], self.inner[0] / self.shape[0]])
        return (pixels - np.array(self.offset[::-1])) / scale - 0.5


def canvas(shape: tuple[int, ...], zoom: float, *, side: int | None = None) -> Canvas:
    """Return the canvas for slices along z of a volume with ``shape`` (z, y, x); ``side`` by default just fits."""
    longest = max(round(shape[1] * zoom), round(shape[2] * zoom))
    return Canvas((shape[1], shape[2]), zoom, max(side or 0, -(-longest // STRIDE) * STRIDE))


def slabs(volume: NDArray[np.float32], thickness: int) -> NDArray[np.uint8]:
    """Return every slab of ``thickness`` voxels along z, as grey levels.

    Returns
    -------
    NDArray
        ``(z - thickness + 1, y, x)`` uint8; slab ``i`` averages voxels ``i`` to ``i + thickness - 1``.
    """
    count = max(1, len(volume) - thickness + 1)
    out = np.empty((count, *volume.shape[1:]), np.uint8)
    for i in range(count):  # slice by slice: a whole float copy of a full-size volume would be 300 MB
        mean = volume[i : i + thickness].mean(axis=0) if thickness > 1 else volume[i]
        out[i] = np.clip(np.rint(mean * np.float32(LEVELS) + np.float32(GREY)), 0, 255)
    return out


def chosen_slabs(count: int, step: int) -> NDArray[np.int64]:
    """Return every ``step``-th of ``count`` slabs, as many left out before the first as after the last."""
    return np.arange(count)[(count - 1) % step // 2 :: step]


def slabs_inside(chosen: NDArray[np.int64], mask: NDArray[np.bool_], thickness: int) -> NDArray[np.int64]:
    """Return those slabs that hold a voxel inside a mask ``(z, y, x)``; the middle one inside if none does."""
    planes = np.flatnonzero(mask.any(axis=(1, 2)))
    some = [np.any((planes >= i) & (planes < i + thickness)) for i in chosen]
    last = max(0, len(mask) - thickness)
    return chosen[some] if any(some) else np.minimum(planes[[len(planes) // 2]], last)


def image(
    levels: NDArray[np.uint8],  # (slab, y, x)
    index: int,
    *,
    gap: int,
    canvas: Canvas,
) -> NDArray[np.uint8]:  # (side, side, 3)
    """Return slab ``index`` with its neighbours as channels; beyond the volume its outermost slab is repeated."""
    channels = [levels[min(max(index + shift, 0), len(levels) - 1)] for shift in (-gap, 0, gap)]
    picture = np.stack(channels, axis=-1)
    rows, columns = canvas.inner
    if picture.shape[:2] != (rows, columns):
        picture = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_LINEAR)
    out = np.full((canvas.side, canvas.side, 3), GREY, np.uint8)
    top, left = canvas.offset
    out[top : top + rows, left : left + columns] = picture
    return out


def middle(index: NDArray[np.integer], thickness: int) -> NDArray[np.float32]:
    """Return the tomogram index along z of the middle of slabs ``index``."""
    return (np.asarray(index) + (thickness - 1) / 2).astype(np.float32)


def circles(
    picks: pd.DataFrame,
    particles: Sequence[Particle],
    voxel_size: float,
    *,
    z: float,
    label_fraction: float,
    radius_scale: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the cross-sections that the plane at tomogram index ``z`` cuts from the picked spheres.

    Parameters
    ----------
    picks
        ``particle_type, x, y, z`` (Å) of one tomogram.
    label_fraction
        Cross-sections with a smaller radius than this fraction of the sphere's are left out.
    radius_scale
        The spheres' radius as a fraction of the particles'.

    Returns
    -------
    label
        ``(n,)`` `Particle.label`.
    centre
        ``(n, 2)`` x, y in voxel indices.
    radius
        ``(n,)`` of the cross-section, voxels.
    """
    species = by_name(particles)
    names = picks["particle_type"].to_numpy()
    label = np.array([species[name].label for name in names], np.int64)
    sphere = np.array([species[name].radius for name in names], np.float64) * radius_scale / voxel_size
    centre = to_index(picks[["x", "y", "z"]].to_numpy(np.float64), voxel_size)
    section = np.sqrt(np.maximum(sphere**2 - (centre[:, 0] - z) ** 2, 0.0))
    keep = (section >= label_fraction * sphere) & (section > 0)
    return label[keep], centre[keep][:, [2, 1]], section[keep]


def polygons(
    centre: NDArray[np.float64],  # (n, 2) x, y
    radius: NDArray[np.float64],  # (n,)
) -> NDArray[np.float64]:  # (n, POLYGON, 2)
    """Return circles as polygons whose bounding boxes are exactly the circles'."""
    angle = np.arange(POLYGON) * (2 * np.pi / POLYGON)
    return centre[:, None] + radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
