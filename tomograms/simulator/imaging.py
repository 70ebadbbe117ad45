"""From matter to micrographs: phase contrast, radiation damage, shot noise. The transfer function is torch-ctf's."""

import numpy as np
import torch
from torch_ctf import calculate_ctf_2d

from tomograms.simulator.settings import Conditions
from tomograms.simulator.tilts import Tilts

VOLTAGE = 300.0
SPHERICAL_ABERRATION = 2.7
PHASE = 6.53e-4 * 2.7
"""Radians for one dalton of protein per Å², above ice: interaction constant at 300 kV (rad/V/Å) x 2.7 V Å³/Da."""
MEAN_FREE_PATH = 3000.0
"""Å of ice in which a fraction 1/e of the electrons stays unscattered."""


def transfer(
    tilts: Tilts, conditions: Conditions, field: tuple[int, int], voxel_size: float, device: str
) -> torch.Tensor:
    """Return each image's contrast transfer, ``(t, y, x // 2 + 1)``: negative at low frequencies: matter is dark."""
    return -calculate_ctf_2d(
        defocus=torch.as_tensor(tilts.defocus, dtype=torch.float32, device=device),
        astigmatism=0.0,
        astigmatism_angle=0.0,
        voltage=VOLTAGE,
        spherical_aberration=SPHERICAL_ABERRATION,
        amplitude_contrast=conditions.amplitude_contrast,
        phase_shift=0.0,
        pixel_size=voxel_size,
        image_shape=field,
        rfft=True,
        fftshift=False,
    )


def damage(tilts: Tilts, field: tuple[int, int], voxel_size: float, device: str) -> torch.Tensor:
    """Return the amplitude that radiation has left at each frequency (Grant & Grigorieff 2015), as `transfer`."""
    y = torch.fft.fftfreq(field[0], voxel_size, device=device)[:, None]
    frequency = torch.sqrt(y**2 + torch.fft.rfftfreq(field[1], voxel_size, device=device) ** 2).clamp(min=1e-4)
    critical = 0.24499 * frequency**-1.6649 + 2.8141
    before = torch.as_tensor(tilts.dose_before, dtype=torch.float32, device=device)
    return torch.exp(-before[:, None, None] / (2 * critical))


def expose(
    matter: torch.Tensor,  # (t, y, x), daltons per pixel
    tilts: Tilts,
    conditions: Conditions,
    *,
    ctf: torch.Tensor,
    voxel_size: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the recorded images, as relative deviations from their mean.

    Parameters
    ----------
    ctf
        `transfer` for images of this size.
    """
    field, device = (matter.shape[1], matter.shape[2]), str(matter.device)
    phase = matter * (PHASE * conditions.contrast / voxel_size**2)
    spectrum = torch.fft.rfftn(phase, dim=(1, 2)) * ctf * damage(tilts, field, voxel_size, device)
    intensity = (1 + 2 * torch.fft.irfftn(spectrum, s=field, dim=(1, 2))).clamp_(min=0)
    path = conditions.thickness / np.cos(tilts.angle)
    electrons = tilts.dose * voxel_size**2 * np.exp(-path / MEAN_FREE_PATH)
    counts = intensity * torch.as_tensor(electrons, dtype=torch.float32, device=device)[:, None, None]
    counts = torch.poisson(counts, generator=generator)
    return counts / counts.mean(dim=(1, 2), keepdim=True) - 1
