"""Thresholds per species: every distinct score is tried, exactly, and the best F-beta wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.counts import f_beta
from evaluation.matching import Matches, match
from tomograms.particles import Particle

FLAT = 1e-12  # F-betas closer than this are equal; different counts of any real data differ by more


@dataclass(frozen=True)
class Curve:
    """What keeping score >= threshold gives, for each distinct score, from high to low.

    Attributes
    ----------
    threshold
        ``(n,)`` the distinct scores, descending.
    tp, fp, fn
        ``(n,)`` counts, experiments pooled.
    f_beta
        ``(n,)``.
    """

    threshold: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    f_beta: NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """Sum of (rise in recall) x precision; 0 without truth or candidates. See `average_precision`."""
        if not len(self.tp) or not self.tp[-1]:
            return 0.0
        precision = np.minimum(self.tp / (self.tp + self.fp), 1.0)
        return float(np.sum(np.diff(self.tp, prepend=0) * precision) / (self.tp[0] + self.fn[0]))

    def counts_at(self, thresholds: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return true and false positives at any thresholds, each ``(m,)``: the counts of the lowest score kept."""
        last = np.searchsorted(-self.threshold, -thresholds, side="right")
        tp, fp = (np.concatenate([[0], counts])[last] for counts in (self.tp, self.fp))  # nothing is kept above all
        return tp, fp


def sweep(truth: pd.DataFrame, candidates: pd.DataFrame, particle: Particle) -> Curve:
    """Return the exact curve of one species over all its distinct scores.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å), every species: its experiments are those that count.
    candidates
        The same columns and ``score``.
    particle
        The species; rows of others are passed over.
    """
    experiments = truth["experiment"].unique()
    truth = truth[truth["particle_type"].to_numpy(object) == particle.name]
    candidates = candidates[candidates["particle_type"].to_numpy(object) == particle.name]
    return curve(match(truth, candidates, [particle], experiments=experiments), 0)


def curve(matches: Matches, code: int) -> Curve:
    """Return the exact curve of the species with this type code.

    A true particle is hit once the best of the candidates within its reach is kept, so both counts are ranks in sorted
    scores; equal scores enter together.
    """
    chosen = matches.truth_type[matches.pair_truth] == code
    true, scores = matches.pair_truth[chosen], matches.score[matches.pair_prediction[chosen]]
    first = np.flatnonzero(np.diff(true, prepend=-1))  # pairs are sorted by true particle
    events = np.sort(np.maximum.reduceat(scores, first)) if len(first) else scores
    ordered = np.sort(matches.score[matches.type == code])
    threshold = np.unique(ordered)[::-1]
    predictions = len(ordered) - np.searchsorted(ordered, threshold)
    tp = len(events) - np.searchsorted(events, threshold)
    truth = int(np.count_nonzero(matches.truth_type == code))
    return Curve(threshold, tp, predictions - tp, truth - tp, f_beta(tp, predictions, truth))


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
    return sweep(truth, candidates, particle).average_precision


def best_threshold(curve: Curve) -> float:
    """Return the threshold with the highest F-beta.

    Of several with the same F-beta the lowest: with beta = 4 a lost particle costs sixteen false positives. The
    threshold lies halfway between the lowest score that is kept and the next lower one, so that neither of them decides
    alone; where there is no lower score, or no number in between, it is the lowest kept score itself. Without
    candidates it is +inf.
    """
    if not len(curve.threshold):
        return float("inf")
    last = int(np.flatnonzero(curve.f_beta >= curve.f_beta.max() - FLAT)[-1])
    kept = float(curve.threshold[last])
    if last + 1 == len(curve.threshold):
        return kept
    lower = float(curve.threshold[last + 1])
    middle = lower + (kept - lower) / 2
    return middle if lower < middle <= kept else kept


def fit_thresholds(truth: pd.DataFrame, candidates: pd.DataFrame, particles: Sequence[Particle]) -> dict[str, float]:
    """Return each species' best threshold on these experiments.

    Parameters
    ----------
    truth, candidates
        As for `sweep`.
    particles
        Every species.
    """
    matches = match(truth, candidates, particles)
    return {particle.name: best_threshold(curve(matches, code)) for code, particle in enumerate(particles)}


def apply_thresholds(candidates: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Return the candidates with score >= their species' threshold; a species without a threshold is dropped."""
    limit = candidates["particle_type"].map(dict(thresholds)).to_numpy(np.float64, na_value=np.inf)
    keep = (candidates["score"].to_numpy(np.float64) >= limit) & (limit < np.inf)
    return candidates[keep].reset_index(drop=True)


def to_record(thresholds: Mapping[str, float]) -> dict[str, float | None]:
    """Return thresholds for JSON, which knows no infinity: ``null`` for a species of which nothing is kept."""
    return {name: value if np.isfinite(value) else None for name, value in thresholds.items()}


def from_record(record: Mapping[str, float | None]) -> dict[str, float]:
    """Return the thresholds that `to_record` wrote, exactly."""
    return {name: float("inf") if value is None else float(value) for name, value in record.items()}
