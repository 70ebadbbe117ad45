"""The extension point: what a member must do to take part. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from models.outputs import ClassMaps, SliceBoxes
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

Advance = Callable[[int, int, str], None]
"""Progress: steps done, steps in all, a word on the state ("loss 0.42")."""


@dataclass(frozen=True)
class Watch:
    """The held-out tomogram: looked at for curves, never for a decision."""

    tomogram: Tomogram
    picks: pd.DataFrame


class Predictor(Protocol):
    """A trained network, ready for tomograms.

    Attributes
    ----------
    views
        How many mirrored or turned views of a tomogram are averaged: a power of 2, which may be lowered between two
        tomograms when time runs short.
    """

    views: int

    def predict(self, tomogram: Tomogram) -> ClassMaps | SliceBoxes:
        """Return what the network predicts; ``tomogram.volume`` is normalised."""
        ...


class Member(Protocol):
    """A kind of network. One file in `models/`, one line in `models.registry`.

    Attributes
    ----------
    name
        Its name on the command line and in tables.
    presets
        Settings (a frozen dataclass) by preset name: ``demo``, ``short`` and ``full``.
    """

    name: str
    presets: Mapping[str, Any]

    def check(self, settings: Any) -> None:
        """Refuse settings that cannot be trained with, before anything is read or trained.

        Raises
        ------
        InputError
            If there is one; the message names it, the rule and the value.
        """
        ...

    def fit(
        self,
        train: Sequence[Tomogram],
        picks: pd.DataFrame,
        watch: Watch | None,
        *,
        particles: Sequence[Particle],
        settings: Any,
        seed: int,
        directory: Path,
        device: str,
        advance: Advance,
    ) -> None:
        """Train and leave ``weights.safetensors``, ``history.csv`` and pictures in ``directory``.

        Parameters
        ----------
        train
            Normalised tomograms.
        picks
            Their truth: ``experiment, particle_type, x, y, z`` (Å).
        watch
            The held-out tomogram; nothing that is trained depends on it.
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
        advance
            Told of progress.
        """
        ...

    def load(self, directory: Path, device: str) -> Predictor:
        """Return the trained network of ``directory``.

        Raises
        ------
        InputError
            If the weights are missing, truncated or of another architecture.
        """
        ...

    def learner(self, *, particles: Sequence[Particle], settings: Any, seed: int, device: str) -> Learner:
        """Return an untrained network for a pre-training, which hands it tomograms without end."""
        ...


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
        ...

    def prepare(self, tomogram: Tomogram, picks: pd.DataFrame) -> Any:
        """Return what `train_step` draws from: a normalised tomogram, its truth, and whatever helps to be fast."""
        ...

    def train_step(self, pool: Sequence[Any], *, rng: np.random.Generator, done: float) -> float:
        """Take one optimiser step on examples drawn from the pool; return the loss.

        ``done`` is the share of the training that is done after it: the learning rate follows it.
        """
        ...

    def score(self, tomograms: Sequence[Tomogram], picks: pd.DataFrame) -> dict[str, float]:
        """Return validation figures, ``score`` among them: in [0, 1], higher is better."""
        ...

    def save(self, path: Path, progress: Mapping[str, Any]) -> None:
        """Write a checkpoint; ``progress`` is plain values that belong to it."""
        ...

    def restore(self, path: Path) -> dict[str, Any]:
        """Go back to a checkpoint and return its progress; `InputError` if it is damaged."""
        ...

    def write(self, path: Path) -> None:
        """Write the averaged weights, rounded to fp16."""
        ...
