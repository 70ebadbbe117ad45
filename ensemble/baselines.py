"""What the tuned ensemble must beat: equal-weight clustering, non-maximum suppression, rank averaging.

Each is fitted like the ensemble, so that the nested comparison is fair; only the way of combining differs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.clustering import FUSED_MEMBER, MEAN_MODEL, fuse, neighbours
from ensemble.ensemble import Ensemble, Scale, calibrate
from ensemble.fitting import fit_ensemble, measure
from ensemble.points import to_points, to_table
from ensemble.tuning import equal_rule
from evaluation.thresholds import apply_thresholds, fit_thresholds
from postproc.suppression import suppress
from tomograms.particles import Particle

Combine = Callable[[pd.DataFrame, Sequence[Particle], Sequence[str]], pd.DataFrame]
"""Takes the members' rescored candidates, the species and the members; returns one list."""
Scales = Mapping[str, Mapping[str, Scale]]
"""Species -> member -> map of its scores."""


@dataclass(frozen=True)
class Baseline:
    """A rule of `evaluation.nested`: scores made comparable, candidates combined, thresholds.

    Attributes
    ----------
    scales
        What makes scores comparable.
    combine
        What makes one list of them.
    particles, members
        Every species and member.
    thresholds
        Species -> lowest score that is reported.
    """

    scales: Scales
    combine: Combine
    particles: Sequence[Particle]
    members: Sequence[str]
    thresholds: Mapping[str, float]

    def apply(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Return all combined candidates."""
        return self.combine(calibrate(candidates, self.scales), self.particles, self.members)

    def keep(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the candidates that reach their species' threshold."""
        return apply_thresholds(table, self.thresholds)


@dataclass(frozen=True)
class Rank:
    """A score's rank among a member's scores of the tuning runs, from 0 (below all) to 1."""

    scores: NDArray[np.float64]

    def __call__(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of the tuning scores that are at most each score."""
        return np.searchsorted(self.scores, score, side="right") / max(len(self.scores), 1)


def fit_baseline(
    truth: pd.DataFrame,
    candidates: pd.DataFrame,
    *,
    particles: Sequence[Particle],
    members: Sequence[str],
    scale: Callable[[pd.DataFrame, pd.DataFrame, Particle, Sequence[str]], Mapping[str, Scale]],
    combine: Combine,
) -> Baseline:
    """Return a baseline whose thresholds are the best on these runs.

    Parameters
    ----------
    truth, candidates, particles, members
        As for `ensemble.fitting.fit_ensemble`.
    scale
        Gives the maps of one species' scores by member.
    combine
        Makes one list.
    """
    scales = {particle.name: scale(truth, candidates, particle, members) for particle in particles}
    rule = Baseline(scales, combine, particles, members, {})
    return replace(rule, thresholds=fit_thresholds(truth, rule.apply(candidates), particles))


def probabilities(
    truth: pd.DataFrame, candidates: pd.DataFrame, particle: Particle, members: Sequence[str]
) -> Mapping[str, Scale]:
    """Return the members' calibrations for one species."""
    return measure(truth, candidates, particle, members)[0]


def ranks(
    truth: pd.DataFrame, candidates: pd.DataFrame, particle: Particle, members: Sequence[str]
) -> Mapping[str, Scale]:
    """Return the ranks among the members' scores of one species."""
    own = candidates[candidates["particle_type"] == particle.name]
    return {member: Rank(np.sort(own["score"][own["member"] == member].to_numpy())) for member in members}


def cluster_plainly(rescored: pd.DataFrame, particles: Sequence[Particle], members: Sequence[str]) -> pd.DataFrame:
    """Return clusters with equal weights, the default radius and no regard to localisation errors."""
    same = equal_rule(members, dict.fromkeys(members, 1.0))
    return fuse(rescored, particles, rules={particle.name: same for particle in particles})


def suppress_near(rescored: pd.DataFrame, particles: Sequence[Particle], members: Sequence[str]) -> pd.DataFrame:
    """Return non-maximum suppression: of candidates closer than half a radius, whoever made them, the best stays."""
    experiments = sorted(rescored["experiment"].unique())
    kept = {}
    for particle in particles:
        rows = rescored[rescored["particle_type"] == particle.name]
        points = to_points(rows, members=sorted(members), experiments=experiments)
        a, b, _ = neighbours(points.position, points.experiment, particle.radius / 2)
        kept[particle.name] = points[suppress(np.stack([a, b], axis=1)[a < b], len(points))]
    return to_table(kept, experiments=experiments, member=FUSED_MEMBER, model=MEAN_MODEL)


BASELINES: dict[str, Callable[..., Ensemble | Baseline]] = {
    "equal weights": partial(fit_ensemble, tuning=None),
    "no competition": partial(fit_ensemble, tuning=None, competing=False),
    "mean probability": partial(fit_baseline, scale=probabilities, combine=cluster_plainly),
    "suppression": partial(fit_baseline, scale=probabilities, combine=suppress_near),
    "rank average": partial(fit_baseline, scale=ranks, combine=cluster_plainly),
}
"""Ways of fusing without tuning, by their names in tables."""
