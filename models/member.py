"""The extension point: what a member must do to take part. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from models.outputs import Maps, SliceBoxes
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

Advance = Callable[[int, int, str], None]
"""Progress: steps done, steps in all, a word on the state ("loss 0.42")."""


@dataclass(frozen=True)
class Validation:
    """The held-out tomogram while its curve is drawn; no decision looks at it."""

    tomogram: Tomogram
    picks: pd.DataFrame


@dataclass(frozen=True)
class Training:
    """What one training needs.

    Attributes
    ----------
    tomograms
        Normalised.
    picks
        Their truth: ``experiment, particle_type, x, y, z`` (Å).
    validation
        The held-out tomogram, if it is to be looked at; nothing that is trained depends on it.
    particles
        Every species, scored or not.
    settings
        One of the member's presets, possibly changed.
    seed
        The same seed gives the same weights on one machine.
    directory
        Where this (fold, member, seed) lives; an interrupted training may be found there.
    device
        ``auto``, ``cpu`` or ``cuda[:N]``.
    """

    tomograms: Sequence[Tomogram]
    picks: pd.DataFrame
    validation: Validation | None
    particles: Sequence[Particle]
    settings: Any
    seed: int
    directory: Path
    device: str

    def of(self, tomogram: Tomogram) -> pd.DataFrame:
        """Return the picks of one of the tomograms."""
        return self.picks[self.picks["experiment"] == tomogram.name]


@dataclass(frozen=True)
class Space:
    """Bytes on a disk, rounded up: what a training leaves, and what it needs besides while it runs."""

    kept: float
    passing: float


class Predictor(Protocol):
    """A trained network, ready for tomograms.

    Attributes
    ----------
    views
        How many mirrored or turned views of a tomogram it averages unless it is told: a power of 2.
    """

    views: int

    def predict(self, tomogram: Tomogram, *, views: int | None = None) -> Maps | SliceBoxes:
        """Return what the network predicts; ``tomogram.volume`` is normalised, fewer ``views`` take less time."""


@runtime_checkable
class Joint(Predictor, Protocol):
    """A predictor that does once for all fold models what they have in common; others are asked one by one."""

    @staticmethod
    def together(
        models: Sequence[Any],
        tomogram: Tomogram,
        *,
        views: int | None = None,
        advance: Callable[[str], None] = lambda note: None,
    ) -> Sequence[Maps | SliceBoxes]:
        """Return what models of this class predict: maps as their mean, slice boxes of each.

        ``advance`` is told of each part of the tomogram that is done.
        """


class Member(Protocol):
    """A kind of network. One folder in `models/`, one line in `models.registry`.

    Attributes
    ----------
    name
        Its name on the command line and in tables.
    presets
        Settings (a frozen dataclass) by preset name: ``demo``, ``short`` and ``full``.
    """

    name: str

    @property
    def presets(self) -> Mapping[str, Any]: ...  # noqa: D102

    def check(self, settings: Any) -> None:
        """Refuse settings that cannot be trained with, before anything is read or trained.

        Raises
        ------
        InputError
            If there is one; the message names it, the rule and the value.
        """

    def initial(self, settings: Any) -> Path | None:
        """Return the weights file that a training starts from; ``None`` for a start from scratch.

        Raises
        ------
        InputError
            If a path is given and no file is there.
        """

    def space(self, settings: Any, shapes: Sequence[tuple[int, int, int]]) -> Space:
        """Return what a training on tomograms of these shapes ``(z, y, x)`` takes of a disk."""

    def fit(self, training: Training, advance: Advance) -> None:
        """Train and leave ``weights.safetensors``, ``history.csv`` and pictures; ``advance`` is told of progress."""

    def load(self, directory: Path, device: str) -> Predictor:
        """Return the trained network of ``directory``.

        Raises
        ------
        InputError
            If the weights are missing, truncated or of another architecture.
        """

    def learner(self, *, particles: Sequence[Particle], settings: Any, seed: int, device: str) -> Learner:
        """Return an untrained network for a pre-training, which hands it tomograms without end."""


class Learner(Protocol):
    """A network in pre-training: `models.training.pretraining` decides what it sees and for how long.

    Attributes
    ----------
    renew
        Steps after which a new tomogram replaces the oldest of the pool: as many as make its simulation cheap.
    """

    renew: int

    @property
    def step(self) -> int:
        """Optimiser steps taken."""

    def prepare(self, tomogram: Tomogram, picks: pd.DataFrame) -> Any:
        """Return what `train_step` draws from: a normalised tomogram, its truth, and whatever helps to be fast."""

    def train_step(self, pool: Sequence[Any], *, rng: np.random.Generator, done: float) -> float:
        """Take one optimiser step on examples drawn from the pool; return the loss.

        ``done`` is the share of the training that is done after it: the learning rate follows it.
        """

    def score(self, tomograms: Sequence[Tomogram], picks: pd.DataFrame) -> dict[str, float]:
        """Return validation figures, ``score`` among them: in [0, 1], higher is better."""

    def save(self, path: Path, progress: Mapping[str, Any]) -> None:
        """Write a checkpoint; ``progress`` is plain values that belong to it."""

    def restore(self, path: Path) -> dict[str, Any]:
        """Go back to a checkpoint and return its progress; `InputError` if it is damaged."""

    def write(self, path: Path) -> None:
        """Write the averaged weights, rounded to fp16."""
