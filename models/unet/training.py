"""What the U-Net learns by: Tversky loss and cross-entropy of class maps. `CropLearner` does the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from monai.losses import TverskyLoss
from numpy.typing import NDArray
from torch.nn import functional

from models.outputs import Maps
from models.training.crop_learner import CropLearner
from models.training.targets import IGNORED
from models.unet.network import UNET
from models.unet.settings import UNetSettings
from tomograms.particles import Particle


class UNetLearner(CropLearner):
    """A U-Net in training; what it measures is the Dice of the species, and their mean."""

    figure = "dice"

    def __init__(self, settings: UNetSettings, particles: Sequence[Particle], seed: int, device: str) -> None:
        super().__init__(UNET, settings, particles, seed, device)
        self.tversky = TverskyLoss(
            include_background=False,
            to_onehot_y=True,
            softmax=True,
            alpha=settings.tversky_alpha,
            beta=settings.tversky_beta,
            batch=True,
        )
        self.class_weight = torch.full((1 + len(particles),), settings.positive_weight, device=self.device)
        self.class_weight[0] = 1.0

    def loss(
        self,
        logits: torch.Tensor,  # (batch, class, z, y, x)
        labels: torch.Tensor,  # (batch, z, y, x) int64
        *offsets: torch.Tensor,
    ) -> torch.Tensor:
        """Return the Tversky loss and the cross-entropy, in the settings' shares."""
        share = self.settings.tversky_share
        entropy = functional.cross_entropy(logits, labels, self.class_weight)
        return share * self.tversky(logits, labels[:, None]) + (1 - share) * entropy

    def measure(self, maps: Maps, truth: NDArray[np.uint8]) -> list[float]:
        """Return the Dice of the argmax of each species."""
        found = maps.logits.argmax(0)
        found[truth == IGNORED] = 0
        dice = []
        for particle in self.particles:
            a, b = found == particle.label, truth == particle.label
            size = int(a.sum()) + int(b.sum())
            dice.append(2 * int((a & b).sum()) / size if size else math.nan)
        return dice
