"""Settings that every network has that learns from crops and sees tomograms in windows. No torch here."""

from dataclasses import dataclass, replace
from typing import Any

from compute.precision import PRECISIONS
from models.initial import PRETRAINED
from models.settings import Rule, in_range

FEWEST_PLANES = 3
"""Planes of a crop at the deepest level: oneDNN's bf16 weight gradient of a 3D convolution reads uninitialised memory
where the input has exactly two planes (seen with torch 2.12 on CPU: gradients up to 1e33, another value each time)."""


@dataclass(frozen=True)
class CropSettings:
    """Recipe of a training on crops; counts are steps, never minutes.

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
    init
        ``pretrained`` (the shipped weights), ``scratch``, or a path (see `models.initial`).
    learning_rate, weight_decay, warmup
        AdamW; the rate rises over the first ``warmup`` share of the steps and falls as a cosine to a hundredth.
    fine_rate, encoder_share
        The highest rate where the training starts from weights, and the encoder's as a share of it.
    ema
        Decay of the moving average of weights that predicts.
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
    init: str = PRETRAINED
    learning_rate: float = 4e-3
    fine_rate: float = 8e-3
    encoder_share: float = 1.0
    weight_decay: float = 1e-2
    warmup: float = 0.1
    ema: float = 0.99
    window: tuple[int, int, int] = (192, 368, 368)
    overlap: float = 0.125
    views: int = 8
    precision: str = "auto"


def crop_presets(short: Any, *, full_rate: float) -> dict[str, Any]:
    """Return the presets by name, from ``short`` and the highest rate at which ``full`` goes on from weights."""
    return {
        "demo": replace(short, steps=60, epoch_steps=30, crop=(48, 96, 96)),
        "short": short,
        "full": replace(
            short,
            steps=20_000,
            epoch_steps=500,
            batch=8,
            crop=(96, 128, 128),
            fine_rate=full_rate,
            encoder_share=0.3,
            overlap=0.25,
            ema=0.999,
        ),
    }


def crop_rules(settings: Any, multiple: int) -> list[Rule]:
    """Return the rules that hold for all `CropSettings`; sides are multiples of ``multiple``."""
    positive = ("steps", "epoch_steps", "batch", "radius_fraction", "window")
    multiple = max(1, multiple)  # strides of 0 have a rule of their own
    planes = FEWEST_PLANES * multiple
    whole = all(side > 0 and side % multiple == 0 for side in settings.crop)
    return [
        *in_range(settings, positive, 0, above=True),
        *in_range(settings, ("learning_rate", "fine_rate", "weight_decay", "encoder_share"), 0),
        *in_range(settings, ("around_picks", "warmup"), 0, 1),
        *in_range(settings, ("overlap", "ema"), 0, 1, below=True),
        *in_range(settings, ("views",), 1, 8),
        ("crop", whole, f"multiples of {multiple} (z, y, x)"),
        ("crop", settings.crop[0] >= planes, f"at least {planes} planes in z"),
        ("precision", settings.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
    ]
