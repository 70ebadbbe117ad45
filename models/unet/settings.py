"""Settings of the U-Net member and its presets. No torch here."""

import math
from dataclasses import dataclass, replace

from compute.precision import PRECISIONS
from models.initial import PRETRAINED
from models.settings import check_rules, in_range

STRIDE = 2
"""Tomogram voxels per voxel of the output."""
FEWEST_PLANES = 3
"""Planes of a crop at the deepest level: oneDNN's bf16 weight gradient of a 3D convolution reads uninitialised memory
where the input has exactly two planes (seen with torch 2.12 on CPU: gradients up to 1e33, another value each time)."""
IDENTITY = ("stem", "channels", "strides", "residual_units", "norm")
"""The settings that weights belong to."""
NORMS = ("INSTANCE", "BATCH", "GROUP", "LAYER")
"""Of MONAI's, those that need no further arguments."""


@dataclass(frozen=True)
class UNetSettings:
    """Recipe of the U-Net; counts are steps, never minutes.

    Attributes
    ----------
    steps, epoch_steps
        Optimiser steps in all, and between two looks at the held-out tomogram (and checkpoints).
    batch, crop
        Crops per step; their size (z, y, x) in voxels.
    around_picks
        Share of crops that are drawn around a pick.
    radius_fraction
        Radius of the target balls in particle radii.
    tversky_alpha, tversky_beta
        Weights of false positives and false negatives; 0.5, 0.5 is Dice.
    tversky_share
        Share of the Tversky loss; the rest is cross-entropy.
    positive_weight
        Cross-entropy weight of every species; background has 1.
    init
        ``pretrained`` (the shipped weights), ``scratch``, or a path (see `models.initial`).
    learning_rate, weight_decay, warmup
        AdamW; the rate rises over the first ``warmup`` share of the steps and falls as a cosine to a hundredth.
    fine_rate, encoder_share
        The highest rate where the training starts from weights, and the encoder's as a share of it.
    ema
        Decay of the moving average of weights that predicts.
    stem, channels, strides, residual_units, norm
        The network (`models.unet.network`).
    window, overlap, views
        Inference: largest window (z, y, x), overlap of neighbours, test-time views (1 to 8).
    precision
        ``auto``, ``bf16``, ``fp16`` or ``fp32``.
    """

    steps: int = 500
    epoch_steps: int = 50
    batch: int = 2
    crop: tuple[int, int, int] = (64, 96, 96)
    around_picks: float = 0.9
    radius_fraction: float = 0.5
    tversky_alpha: float = 0.3
    tversky_beta: float = 0.7
    tversky_share: float = 0.2
    positive_weight: float = 8.0
    init: str = PRETRAINED
    learning_rate: float = 4e-3
    fine_rate: float = 8e-3
    encoder_share: float = 1.0
    weight_decay: float = 1e-2
    warmup: float = 0.1
    ema: float = 0.99
    stem: int = 24
    channels: tuple[int, ...] = (32, 48, 64, 80)
    strides: tuple[int, ...] = (1, 2, 2)
    residual_units: int = 1
    norm: str = "INSTANCE"
    window: tuple[int, int, int] = (192, 368, 368)
    overlap: float = 0.125
    views: int = 8
    precision: str = "auto"


FULL = UNetSettings(
    steps=20_000,
    epoch_steps=500,
    batch=8,
    crop=(96, 128, 128),
    fine_rate=2e-3,
    encoder_share=0.3,
    overlap=0.25,
    ema=0.999,
)
SHORT = UNetSettings()
DEMO = replace(SHORT, steps=60, epoch_steps=30, crop=(48, 96, 96))
PRESETS = {"demo": DEMO, "short": SHORT, "full": FULL}


def check_settings(settings: UNetSettings) -> None:
    """Refuse values that cannot be trained with; see `models.member.Member.check`."""
    positive = ("steps", "epoch_steps", "batch", "radius_fraction", "positive_weight", "stem", "channels", "window")
    losses = ("tversky_alpha", "tversky_beta")
    at_least_0 = (*losses, "learning_rate", "fine_rate", "weight_decay", "encoder_share", "residual_units")
    multiple = STRIDE * math.prod(settings.strides)
    planes = FEWEST_PLANES * multiple
    whole = all(side > 0 and side % multiple == 0 for side in settings.crop)
    check_rules(
        "unet",
        settings,
        [
            *in_range(settings, positive, 0, above=True),
            *in_range(settings, at_least_0, 0),
            *in_range(settings, ("around_picks", "tversky_share", "warmup"), 0, 1),
            *in_range(settings, ("overlap", "ema"), 0, 1, below=True),
            *in_range(settings, ("views",), 1, 8),
            *in_range(settings, ("strides",), 1),
            ("channels", len(settings.channels) > 1, "two levels or more"),
            ("strides", len(settings.strides) == len(settings.channels) - 1, "one for each level but the first"),
            ("crop", whole, f"multiples of {multiple} (z, y, x)"),
            ("crop", settings.crop[0] >= planes, f"at least {planes} planes in z"),
            ("norm", settings.norm in NORMS, f"one of {', '.join(NORMS)}"),
            ("precision", settings.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        ],
    )
