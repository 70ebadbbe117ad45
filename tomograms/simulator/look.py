"""The denoised look that networks give to tomograms: flat where nothing is, dark where matter is, no bright fringes."""

import torch
from torch.nn.functional import avg_pool3d

WINDOW = 5
"""Edge of the neighbourhood in which a voxel's energy is measured, voxels."""


def denoised(volume: torch.Tensor, strength: float) -> torch.Tensor:
    """Return the volume in units of its background noise, median 0.

    Every voxel is scaled by a local Wiener gain, ``1 - strength / energy``, where the energy is that of its
    neighbourhood in units of the noise. Bright voxels get the gain of empty ice, so that the fringes around matter
    fade with the noise.

    Parameters
    ----------
    volume
        ``(z, y, x)``.
    strength
        From 0 (nothing is changed but the unit) to 1.
    """
    volume = in_noise_units(volume)
    if strength > 0:
        energy = (volume**2)[None, None]
        for axis in range(3):
            window = [WINDOW if a == axis else 1 for a in range(3)]
            energy = avg_pool3d(energy, window, 1, [w // 2 for w in window], count_include_pad=False)
        gain = torch.where(volume < 0, 1 - strength / energy[0, 0].clamp(min=1), 1 - strength)
        volume = in_noise_units(volume * gain)
    return volume


def in_noise_units(volume: torch.Tensor) -> torch.Tensor:
    """Return the volume with median 0 and 1.4826 x MAD of 1, measured on at most about a million voxels."""
    sample = volume.reshape(-1)[:: max(1, volume.numel() // 1_000_000)]
    median = sample.median()
    return (volume - median) / (1.4826 * (sample - median).abs().median())
