"""What keeps fp16, whose largest number is 65,504, from spoiling a prediction or a training.

GPUs without bf16 (Kaggle's T4 among them) compute in fp16. MONAI's residual paths are not normalised, so values grow
from level to level: tens at the first two, tens of thousands at the third. From there on the network computes in fp32,
which costs little, since those levels hold few voxels. What still overflows is computed again in fp32 (see
`compute.precision.finite`).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class _Wide:
    """Computes in float32 where its surroundings compute in fp16; mixed into the class of a module."""

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        kind = volume.device.type
        forward: Callable[[torch.Tensor], torch.Tensor] = super().forward  # type: ignore[misc]
        if not (torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16):
            return forward(volume)
        with torch.autocast(kind, enabled=False):
            return forward(volume.float())


def widen(module: nn.Module) -> None:
    """Let a module compute in float32 where its surroundings compute in fp16; its parameters and keys stay."""
    own: Any = type(module)
    module.__class__ = type(f"Wide{own.__name__}", (_Wide, own), {})
