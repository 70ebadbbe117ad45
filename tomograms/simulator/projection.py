"""From a sample to its tilt images: how much matter lies behind each pixel, seen from each angle.

Copies of a species are central slices of its Fourier transform (torch-fourier-slice), shifted by phase ramps, so that
neither their rotation nor their sub-voxel position blurs them. Measured on one CPU core: 820 slices of a 64³ box in
0.26 s. Of the alternatives, torch-projectors is compiled against one torch release and does not load beside another,
and acryo rotates real-space volumes through dask, on the CPU only. Points (membranes, gold) are added one by one.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch_fourier_slice.slice_extraction import extract_central_slices_rfft_3d
from torch_fourier_slice.volume_utils import separable_sinc2_correction

from tomograms.simulator.densities import NYQUIST_AMPLITUDE, Species
from tomograms.simulator.placement import Poses
from tomograms.simulator.scene import Scene
from tomograms.simulator.tilts import Tilts

SLICE_POINTS = 4_000_000
"""Slice values that are computed at a time, for the sake of memory."""


def project(scene: Scene, tilts: Tilts, field: tuple[int, int], device: str) -> torch.Tensor:
    """Return the tilt images of a sample.

    The images' centre sees the tomogram's centre: index ``(n - 1) / 2`` on each axis.

    Parameters
    ----------
    field
        (y, x), pixels of an image.

    Returns
    -------
    ``(t, y, x)`` float32, daltons of protein behind each pixel.
    """
    angle = tilts.angle + tilts.angle_error
    zero, one, c, s = np.zeros_like(angle), np.ones_like(angle), np.cos(angle), np.sin(angle)
    view = np.stack([c, zero, s, zero, one, zero, -s, zero, c], axis=1).reshape(-1, 3, 3)  # (t, 3, 3), xyz
    images = torch.zeros((len(angle), *field), device=device)
    for species, poses in zip(scene.species, scene.poses, strict=True):
        if len(poses.position):
            seen = _seen(poses.position, scene.shape, view, tilts.shift, field)
            _add_slices(images, species, poses, view, seen)
    if len(scene.points):
        images += _splat(scene, view, tilts.shift, field, device)
    return images


def _seen(
    position: NDArray[np.float64],  # (n, 3) zyx
    shape: tuple[int, int, int],
    view: NDArray[np.float64],  # (t, 3, 3)
    shift: NDArray[np.float64],  # (t, 2) yx
    field: tuple[int, int],
) -> NDArray[np.float64]:  # (t, n, 2) yx, pixels
    """Return where points of the tomogram are seen in each image."""
    centred = position - (np.asarray(shape) - 1) / 2
    turned = centred[:, ::-1] @ np.swapaxes(view[:, :2], 1, 2)
    return turned[..., ::-1] + (np.asarray(field) - 1) / 2 + shift[:, None, :]


def _add_slices(
    images: torch.Tensor, species: Species, poses: Poses, view: NDArray[np.float64], seen: NDArray[np.float64]
) -> None:
    """Add each copy's projection to each image."""
    size = 2 * len(species.density)  # the slices' linear interpolation wants the transform sampled twice as finely
    device, field = images.device, images.shape[1:]
    box = torch.zeros((size,) * 3, device=device)
    inner = slice(size // 4, size // 4 + size // 2)
    box[inner, inner, inner] = torch.from_numpy(species.density).to(device)
    box /= separable_sinc2_correction((size,) * 3, device=device)
    transform = torch.fft.fftshift(torch.fft.rfftn(torch.fft.ifftshift(box)), dim=(0, 1))
    corner = np.floor(seen).astype(np.int64)
    tilt, copy = np.nonzero(np.all((corner > -size // 4) & (corner < np.asarray(field) + size // 4), axis=2))
    frequency = torch.fft.fftshift(torch.fft.fftfreq(size, device=device))[:, None]
    half = torch.fft.rfftfreq(size, device=device)
    offset = torch.arange(size // 2, device=device) - size // 4
    padded = torch.nn.functional.pad(images, (size // 2,) * 4)
    flat = padded.view(-1)
    for start in range(0, len(tilt), max(1, SLICE_POINTS // (size * len(half)))):
        part = slice(start, start + max(1, SLICE_POINTS // (size * len(half))))
        t, n = tilt[part], copy[part]
        turn = np.swapaxes(view[t] @ poses.rotation[n], 1, 2)
        slices = extract_central_slices_rfft_3d(
            transform, torch.from_numpy(turn).to(device, torch.float32), fftfreq_max=0.5
        )
        rest = torch.from_numpy(seen[t, n] - corner[t, n]).to(device, torch.float32)
        phase = frequency * rest[:, 0, None, None] + half * rest[:, 1, None, None]
        slices *= torch.polar(torch.ones_like(phase), -2 * torch.pi * phase)
        patches = torch.fft.irfftn(torch.fft.ifftshift(slices, dim=1), s=(size, size), dim=(1, 2))
        patches = torch.fft.fftshift(patches, dim=(1, 2))[:, inner, inner]
        where = torch.from_numpy(corner[t, n] + size // 2).to(device)
        rows, columns = where[:, 0, None] + offset, where[:, 1, None] + offset
        first = torch.from_numpy(t).to(device)[:, None] * padded.shape[1] + rows
        flat.index_add_(0, (first[:, :, None] * padded.shape[2] + columns[:, None, :]).reshape(-1), patches.reshape(-1))
    images.copy_(padded[:, size // 2 : -(size // 2), size // 2 : -(size // 2)])


def _splat(
    scene: Scene, view: NDArray[np.float64], shift: NDArray[np.float64], field: tuple[int, int], device: str
) -> torch.Tensor:
    """Return images of the points, linearly interpolated, with the envelope that the species' densities have."""
    height, width = field
    images = torch.zeros((len(view), height * width), device=device)
    weights = torch.from_numpy(scene.weights).to(device, torch.float32)
    for index in range(len(view)):
        seen = _seen(scene.points, scene.shape, view[index : index + 1], shift[index : index + 1], field)[0]
        seen_torch = torch.from_numpy(seen).to(device, torch.float32)
        corner = seen_torch.floor()
        rest, corner = seen_torch - corner, corner.long()
        for dy in (0, 1):
            for dx in (0, 1):
                y, x = corner[:, 0] + dy, corner[:, 1] + dx
                part = (rest[:, 0] if dy else 1 - rest[:, 0]) * (rest[:, 1] if dx else 1 - rest[:, 1]) * weights
                inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
                images[index].index_add_(0, (y * width + x)[inside], part[inside])
    frequency = torch.fft.fftfreq(height, device=device)[:, None] ** 2 + torch.fft.rfftfreq(width, device=device) ** 2
    envelope = torch.exp(float(np.log(NYQUIST_AMPLITUDE)) * frequency / 0.25)
    return torch.fft.irfftn(torch.fft.rfftn(images.view(-1, height, width), dim=(1, 2)) * envelope, s=field, dim=(1, 2))
