"""Pre-training of the U-Net; see `models.member.Learner`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from compute.precision import resolve_device
from models.training.crops import TrainingVolume, species_shares
from models.unet.member import UNetSettings, initial_weights
from models.unet.training import Trainer, check_crop, draw, prepare, target_map
from models.weights import header, save_weights
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram


class UNetLearner:
    """A U-Net on crops of the pool's tomograms; its validation score is the mean Dice of the species."""

    renew = 10

    def __init__(self, settings: UNetSettings, particles: Sequence[Particle], seed: int, device: str) -> None:
        self.settings, self.particles, self.shares = settings, particles, species_shares(particles)
        initial = initial_weights(settings)
        self.trainer = Trainer(settings, particles, seed, resolve_device(device), initial=initial)
        check_crop(settings.crop, self.trainer.multiple)

    @property
    def step(self) -> int:
        """Optimiser steps taken."""
        return self.trainer.step

    def prepare(self, tomogram: Tomogram, picks: pd.DataFrame) -> TrainingVolume:
        """See `models.member.Learner.prepare`."""
        return prepare(tomogram, picks, self.particles, self.settings)

    def train_step(self, pool: Sequence[TrainingVolume], *, rng: np.random.Generator, done: float) -> float:
        """See `models.member.Learner.train_step`."""
        return self.trainer.train_step(*draw(pool, self.settings, self.shares, rng), done=done)

    def score(self, tomograms: Sequence[Tomogram], picks: pd.DataFrame) -> dict[str, float]:
        """See `models.member.Learner.score`."""
        rows = []
        for tomogram in tomograms:
            truth = target_map(tomogram, picks[picks["experiment"] == tomogram.name], self.particles, self.settings)
            rows.append(self.trainer.watch_dice(tomogram, truth, self.particles))
        mean = {str(name): float(value) for name, value in pd.DataFrame(rows).mean().items() if value == value}
        return {"score": mean.pop("dice", 0.0), **mean}

    def save(self, path: Path, progress: Mapping[str, Any]) -> None:
        """See `models.member.Learner.save`."""
        self.trainer.save(path, progress)

    def restore(self, path: Path) -> dict[str, Any]:
        """See `models.member.Learner.restore`."""
        return self.trainer.restore(path)

    def write(self, path: Path) -> None:
        """See `models.member.Learner.write`."""
        save_weights(path, self.trainer.average.state_dict(), header("unet", self.settings, self.particles), half=True)
