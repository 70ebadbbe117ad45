"""The competition metric: counts per experiment and species, F-beta with beta 4, and the weighted score.

``python -m evaluation.metric SOLUTION.csv SUBMISSION.csv`` prints it for two files. Equal to the official code in its
edge cases too: a prediction within reach of two true particles hits both, so that false positives can be negative;
predictions in experiments without truth are dropped before an unknown species is an error; a species without
predictions or without truth has F = 0; the score divides by the sum of all weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluation.matching import Matches, match
from tomograms.errors import InputError, run_command
from tomograms.files import read_json
from tomograms.particles import CZII, Particle, from_copick

if TYPE_CHECKING:
    import pandas as pd

BETA = 4


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
        return (1 + BETA**2) * self.tp / (self.predictions + BETA**2 * self.truth) if self.tp else 0.0


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


def kaggle_score(solution: pd.DataFrame, submission: pd.DataFrame, particles: Sequence[Particle] = CZII) -> Score:
    """Return the competition's score of a submission.

    Parameters
    ----------
    solution, submission
        ``experiment, particle_type, x, y, z`` (Å); further columns are ignored.
    particles
        Every species.

    Raises
    ------
    InputError
        If a species is unknown or a position is not finite (see `match`).
    """
    return score(pool(count(solution, submission, particles)), particles)


def average_precision(truth: pd.DataFrame, candidates: pd.DataFrame, particle: Particle) -> float:
    """Return the area under a species' precision-recall curve, experiments pooled, candidates ranked by score.

    The sum of (rise in recall) x precision over the distinct scores: equal scores are one step, a further candidate on
    a true particle that was already hit is a false positive, and precision is at most 1. 0 without truth or hits.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å), every species.
    candidates
        The same columns and ``score``.
    particle
        The species.
    """
    from evaluation.thresholds import sweep

    return sweep(truth, candidates, particle).average_precision


def main(argv: Sequence[str] | None = None) -> None:
    """Print the score of a submission against a solution."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.metric",
        description="Score a submission as the competition does: F-beta (beta 4) per species, weighted.",
    )
    parser.add_argument("solution", type=Path, help="CSV with experiment,particle_type,x,y,z (Å)")
    parser.add_argument("submission", type=Path, help="CSV with id,experiment,particle_type,x,y,z (Å)")
    parser.add_argument(
        "--particles", type=Path, metavar="CONFIG.json", help="copick config with the species (default: CZII's six)"
    )
    arguments = parser.parse_args(argv)

    from evaluation.report import class_table
    from tomograms.console import console
    from tomograms.picks import read_truth

    particles = CZII if arguments.particles is None else _read_particles(arguments.particles)
    counts = pool(count(read_truth(arguments.solution), read_truth(arguments.submission), particles))
    result = score(counts, particles)
    console().print(class_table(counts, particles, title=str(arguments.submission)))
    print(f"score: {result.total:.6f}")


def _read_particles(path: Path) -> tuple[Particle, ...]:
    """Return the species of a copick config."""
    config = read_json(path)
    if not isinstance(config, dict) or not isinstance(config.get("pickable_objects"), list):
        raise InputError(f"{path}: expected a copick config with pickable_objects, but got something else")
    return from_copick(config["pickable_objects"], path)


if __name__ == "__main__":
    run_command(main)
