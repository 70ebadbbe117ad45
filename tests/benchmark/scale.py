"""How large the work is: as in the competition, or so small that every stage runs in a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

FULL_SHAPE = (184, 630, 630)
VOXEL_SIZE = 10.012444


@dataclass(frozen=True)
class Scale:
    """Size of the work.

    Attributes
    ----------
    full
        As in the competition.
    device
        Where networks and the simulator run.
    weights
        A folder with a trained U-Net's ``weights.safetensors``; by default one is trained for some steps.
    """

    full: bool
    device: str = "cpu"
    weights: Path | None = None

    def pick(self, full: T, small: T) -> T:
        """Return one of two values."""
        return full if self.full else small
