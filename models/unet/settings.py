"""Settings of the U-Net member and its presets. No torch here."""

import math
from dataclasses import dataclass

from models.crop_settings import CropSettings, crop_presets, crop_rules
from models.settings import check_rules, in_range

STRIDE = 2
"""Tomogram voxels per voxel of the output."""
IDENTITY = ("stem", "channels", "strides", "residual_units", "norm")
"""The settings that weights belong to."""
NORMS = ("INSTANCE", "BATCH", "GROUP", "LAYER")
"""Of MONAI's, those that need no further arguments."""


@dataclass(frozen=True)
class UNetSettings(CropSettings):
    """Recipe of the U-Net.

    Attributes
    ----------
    tversky_alpha, tversky_beta
        Weights of false positives and false negatives; 0.5, 0.5 is Dice.
    tversky_share
        Share of the Tversky loss; the rest is cross-entropy.
    positive_weight
        Cross-entropy weight of every species; background has 1.
    stem, channels, strides, residual_units, norm
        The network (`models.unet.network`).
    """

    tversky_alpha: float = 0.3
    tversky_beta: float = 0.7
    tversky_share: float = 0.2
    positive_weight: float = 8.0
    stem: int = 24
    channels: tuple[int, ...] = (32, 48, 64, 80)
    strides: tuple[int, ...] = (1, 2, 2)
    residual_units: int = 1
    norm: str = "INSTANCE"


PRESETS = crop_presets(UNetSettings(), full_rate=2e-3)
SHORT, FULL = PRESETS["short"], PRESETS["full"]


def check_settings(settings: UNetSettings) -> None:
    """Refuse values that cannot be trained with; see `models.member.Member.check`."""
    check_rules(
        "unet",
        settings,
        [
            *crop_rules(settings, STRIDE * math.prod(settings.strides)),
            *in_range(settings, ("positive_weight", "stem", "channels"), 0, above=True),
            *in_range(settings, ("tversky_alpha", "tversky_beta", "residual_units"), 0),
            *in_range(settings, ("tversky_share",), 0, 1),
            *in_range(settings, ("strides",), 1),
            ("channels", len(settings.channels) > 1, "two levels or more"),
            ("strides", len(settings.strides) == len(settings.channels) - 1, "one for each level but the first"),
            ("norm", settings.norm in NORMS, f"one of {', '.join(NORMS)}"),
        ],
    )
