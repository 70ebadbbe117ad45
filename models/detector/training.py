"""What the detector learns by: a focal loss of its heat, and the distance of its offsets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch.nn import functional

from models.detector.network import DETECTOR
from models.detector.settings import DetectorSettings
from models.outputs import Maps
from models.training.crop_learner import CropLearner
from models.training.targets import IGNORED
from tomograms.particles import Particle


class DetectorLearner(CropLearner):
    """A detector in training; what it measures is the average precision of map voxels by species, and its mean."""

    figure = "average precision"

    def __init__(self, settings: DetectorSettings, particles: Sequence[Particle], seed: int, device: str) -> None:
        super().__init__(DETECTOR, settings, particles, seed, device)
        smallest = min((particle.radius for particle in particles), default=1.0)
        share = [(smallest / particle.radius) ** 3 for particle in particles]
        self.share = torch.tensor(share, device=self.device)[:, None, None, None]

    def loss(
        self,
        logits: torch.Tensor,  # (batch, species + 3, z, y, x)
        labels: torch.Tensor,  # (batch, z, y, x) int64
        *offsets: torch.Tensor,  # (batch, 3, z, y, x)
    ) -> torch.Tensor:
        """Return the focal loss of each species and the distance of the offsets, per particle.

        A particle counts once, whatever its size: its voxels share its weight.
        """
        species = len(self.particles)
        heat, way = logits[:, :species], logits[:, species:]
        there = functional.one_hot(labels, 1 + species)[..., 1:].movedim(-1, 1).to(heat.dtype)
        wrong = (there - heat.sigmoid()).abs() ** self.settings.focus
        entropy = functional.binary_cross_entropy_with_logits(heat, there, reduction="none")
        weight = (there * self.share).sum(1)
        particles = weight.sum().clamp(min=1.0)
        distance = (way - offsets[0]).abs().sum(1)
        found = (wrong * entropy * self.share).sum() / particles
        return found + self.settings.offset_weight * (distance * weight).sum() / particles

    def measure(self, maps: Maps, truth: NDArray[np.uint8]) -> list[float]:
        """Return the average precision of the heat of each species over map voxels."""
        heat, seen = maps.logits.astype(np.float32), truth != IGNORED
        found = []
        for particle, own in zip(self.particles, heat, strict=False):
            here = truth == particle.label
            found.append(float(average_precision_score(here[seen], own[seen])) if here.any() else math.nan)
        return found
