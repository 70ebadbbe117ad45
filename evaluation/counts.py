"""Counts of hits and misses, F-beta, and the weighted score: the ground that every evaluation stands on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from evaluation.matching import Matches, match
from tomograms.errors import InputError
from tomograms.particles import Particle

BETA = 4
METRIC = f"F{BETA}"
"""The measure's name in tables."""


def f_beta(
    tp: ArrayLike,  # (...) true particles that were hit
    predicted: ArrayLike,  # (...) predictions
    truth: ArrayLike,  # (...) true particles
) -> NDArray[np.float64]:  # (...)
    """Return (1 + beta^2) tp / (predicted + beta^2 truth), 0 without hits; arrays are broadcast."""
    tp = np.asarray(tp)
    total = np.maximum(np.asarray(predicted) + BETA**2 * np.asarray(truth), 1)
    return np.where(tp > 0, (1 + BETA**2) * tp / total, 0.0)


@dataclass(frozen=True)
class Counts:
    """True positives, false positives, false negatives. Counts add; scores do not.

    Attributes
    ----------
    tp
        Distinct true particles that were hit.
    fp
        Predictions minus ``tp``; negative where predictions hit two true particles each.
    fn
        True particles minus ``tp``.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Return the counts of both."""
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def predictions(self) -> int:
        """How many predictions were made."""
        return self.tp + self.fp

    @property
    def truth(self) -> int:
        """How many true particles there are."""
        return self.tp + self.fn

    @property
    def precision(self) -> float:
        """Tp / predictions, 0 without predictions."""
        return self.tp / self.predictions if self.predictions else 0.0

    @property
    def recall(self) -> float:
        """Tp / truth, 0 without truth."""
        return self.tp / self.truth if self.truth else 0.0

    @property
    def f_beta(self) -> float:
        """17 tp / (17 tp + 16 fn + fp) for beta = 4; 0 without hits."""
        return float(f_beta(self.tp, self.predictions, self.truth))


@dataclass(frozen=True)
class Score:
    """The weighted score and what it is made of.

    Attributes
    ----------
    total
        sum(weight x F) / sum(weight) over all species.
    by_type
        F-beta of each species.
    """

    total: float
    by_type: Mapping[str, float]


def count(
    truth: pd.DataFrame, predictions: pd.DataFrame, particles: Sequence[Particle]
) -> dict[str, dict[str, Counts]]:  # experiment -> species -> counts
    """Return the counts of each experiment of the truth and each species.

    Parameters
    ----------
    truth, predictions
        ``experiment, particle_type, x, y, z`` (Å).
    particles
        Every species.

    Raises
    ------
    InputError
        If a species is not among ``particles``, or a position is not finite; see `match`.
    """
    matches = match(truth, predictions, particles)
    return to_counts(matches, tally(matches))


def tally(matches: Matches, kept: np.ndarray | None = None) -> np.ndarray:  # (experiment, species, 3) int64
    """Return tp, fp, fn of each experiment and species.

    Parameters
    ----------
    matches
        From `match`.
    kept
        ``(n,)`` bool, the predictions that count; all of them by default.
    """
    shape = (len(matches.experiments), len(matches.particles))
    cells = shape[0] * shape[1]
    group = matches.experiment * shape[1] + matches.type
    truth_group = matches.truth_experiment * shape[1] + matches.truth_type
    hit = np.zeros(len(truth_group), bool)
    if kept is None:
        hit[matches.pair_truth] = True
    else:
        group = group[kept]
        hit[matches.pair_truth[kept[matches.pair_prediction]]] = True
    tp = np.bincount(truth_group[hit], minlength=cells)
    predicted = np.bincount(group, minlength=cells)
    true = np.bincount(truth_group, minlength=cells)
    return np.stack([tp, predicted - tp, true - tp], axis=-1).reshape(*shape, 3)


def to_counts(matches: Matches, tallied: np.ndarray) -> dict[str, dict[str, Counts]]:
    """Return an array of `tally` as counts by experiment and species."""
    return {
        experiment: {
            particle.name: Counts(*(int(number) for number in cell))
            for particle, cell in zip(matches.particles, row, strict=True)
        }
        for experiment, row in zip(matches.experiments, tallied, strict=True)
    }


def pool(counts: Mapping[str, Mapping[str, Counts]] | Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    """Return the counts of each species, added over experiments."""
    total: dict[str, Counts] = {}
    for by_type in counts.values() if isinstance(counts, Mapping) else counts:
        for name, number in by_type.items():
            total[name] = total.get(name, Counts()) + number
    return total


def score(counts_by_type: Mapping[str, Counts], particles: Sequence[Particle]) -> Score:
    """Return the score of pooled counts; a species without counts has F = 0.

    Raises
    ------
    InputError
        If no species has a weight above 0.
    """
    weights = sum(particle.weight for particle in particles)
    if not weights > 0:
        raise InputError("expected a species with a metric weight above 0, but every weight is 0")
    by_type = {particle.name: counts_by_type.get(particle.name, Counts()).f_beta for particle in particles}
    return Score(sum(particle.weight * by_type[particle.name] for particle in particles) / weights, by_type)
