"""What the tuned ensemble must beat: equal-weight clustering, non-maximum suppression, rank averaging.

Each is fitted like the ensemble, so that the nested comparison is fair; only the way of combining differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.clustering import FUSED_MEMBER, MEAN_MODEL, FusionRule, fuse, neighbours
from ensemble.ensemble import Ensemble, Scale, calibrate
from ensemble.fitting import fit_ensemble, measure
from ensemble.points import Points, to_points, to_table
from ensemble.tuning import DEFAULT_FRACTION
from evaluation.thresholds import apply_thresholds, fit_thresholds
from tomograms.particles import Particle

Combine = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Baseline:
    """A rule of `evaluation.nested`: scores made comparable, candidates combined, thresholds.

    Attributes
    ----------
    scales
        Species -> member -> map of its scores.
    combine
        Turns the members' rescored candidates into one list.
    thresholds
        Species -> lowest score that is reported.
    """

    scales: Mapping[str, Mapping[str, Scale]]
    combine: Combine
    thresholds: Mapping[str, float]

    def apply(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Return all combined candidates."""
        return self.combine(calibrate(candidates, self.scales))

    def __call__(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Return the combined candidates that reach their species' threshold."""
        return apply_thresholds(self.apply(candidates), self.thresholds)


@dataclass(frozen=True)
class Rank:
    """A score's rank among a member's scores of the tuning runs, from 0 (below all) to 1."""

    scores: NDArray[np.float64]

    def __call__(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of the tuning scores that are at most each score."""
        return np.searchsorted(self.scores, score, side="right") / max(len(self.scores), 1)


def fit_equal_weights(
    truth: pd.DataFrame, candidates: pd.DataFrame, *, particles: Sequence[Particle], members: Sequence[str]
) -> Ensemble:
    """Return the ensemble with nothing tuned: mean evidence, equal weights, the default radius."""
    return fit_ensemble(truth, candidates, particles=particles, members=members, tuning=None)


def fit_equal_weights_apart(
    truth: pd.DataFrame, candidates: pd.DataFrame, *, particles: Sequence[Particle], members: Sequence[str]
) -> Ensemble:
    """Return the ensemble with nothing tuned, and without competition between species."""
    return fit_ensemble(truth, candidates, particles=particles, members=members, tuning=None, competing=False)


def fit_mean_probability(
    truth: pd.DataFrame, candidates: pd.DataFrame, *, particles: Sequence[Particle], members: Sequence[str]
) -> Baseline:
    """Return the plain way of clustering: the mean of calibrated probabilities, equal weights, the default radius."""
    scales = {particle.name: measure(truth, candidates, particle, members)[0] for particle in particles}
    return _with_thresholds(Baseline(scales, _plain(particles, members), {}), truth, candidates, particles)


def fit_suppression(
    truth: pd.DataFrame, candidates: pd.DataFrame, *, particles: Sequence[Particle], members: Sequence[str]
) -> Baseline:
    """Return non-maximum suppression: of calibrated candidates closer than half a radius, the best one stays."""
    scales = {particle.name: measure(truth, candidates, particle, members)[0] for particle in particles}

    def combine(rescored: pd.DataFrame) -> pd.DataFrame:
        return suppress(rescored, particles)

    return _with_thresholds(Baseline(scales, combine, {}), truth, candidates, particles)


def fit_rank_average(
    truth: pd.DataFrame, candidates: pd.DataFrame, *, particles: Sequence[Particle], members: Sequence[str]
) -> Baseline:
    """Return rank averaging: the mean of the members' ranks over clusters, equal weights, the default radius."""
    own = candidates[["particle_type", "member", "score"]]
    scales = {
        particle.name: {
            member: Rank(
                np.sort(own["score"][(own["particle_type"] == particle.name) & (own["member"] == member)].to_numpy())
            )
            for member in members
        }
        for particle in particles
    }
    return _with_thresholds(Baseline(scales, _plain(particles, members), {}), truth, candidates, particles)


def suppress(candidates: pd.DataFrame, particles: Sequence[Particle]) -> pd.DataFrame:
    """Return the candidates left by non-maximum suppression within half a particle radius, whoever made them."""
    experiments = sorted(candidates["experiment"].unique())
    members = sorted(candidates["member"].unique())
    kept = {}
    for particle in particles:
        rows = candidates[candidates["particle_type"] == particle.name]
        points = to_points(rows, members=members, experiments=experiments)
        kept[particle.name] = points[_maxima(points, particle.radius / 2)]
    return to_table(kept, experiments=experiments, member=FUSED_MEMBER, model=MEAN_MODEL)


def _maxima(points: Points, radius: float) -> NDArray[np.bool_]:
    """Return which rows greedy suppression keeps: in rounds, all that no undecided better row is near."""
    kept = np.ones(len(points), bool)
    a, b, _ = neighbours(points.position, points.experiment, radius)
    while len(a):
        first = np.ones(len(points), bool)
        first[a[b < a]] = False
        gone = np.zeros(len(points), bool)
        gone[b[first[a]]] = True
        kept &= ~gone
        left = ~(gone[a] | gone[b] | first[a] | first[b])
        a, b = a[left], b[left]
    return kept


def _plain(particles: Sequence[Particle], members: Sequence[str]) -> Combine:
    """Return clustering with equal weights, the default radius and no regard to localisation errors."""
    same = FusionRule(dict.fromkeys(members, 1.0), DEFAULT_FRACTION, dict.fromkeys(members, 1.0))
    return lambda rescored: fuse(rescored, particles, rules={particle.name: same for particle in particles})


def _with_thresholds(
    rule: Baseline, truth: pd.DataFrame, candidates: pd.DataFrame, particles: Sequence[Particle]
) -> Baseline:
    return replace(rule, thresholds=fit_thresholds(truth, rule.apply(candidates), particles))
