"""One species' tuning problem: what any weights and radius give on the tuning runs, in a fraction of a millisecond.

Which candidates share a cluster depends on the radius and on who takes part, not on the weights; so clusters, and the
true particles that each of them could reach, are found once per radius and set of members, and a trial only weighs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ensemble.calibration import first_hits
from ensemble.clustering import cluster, merge
from ensemble.points import Points
from evaluation.counts import f_beta
from evaluation.matching import DISTANCE, pairs_within
from tomograms.particles import Particle


@dataclass(frozen=True)
class Sweep:
    """Counts at every threshold that could be the best one, by experiment.

    F-beta only rises where a true particle is gained, so these thresholds are the scores at which that happens.

    Attributes
    ----------
    threshold
        ``(t,)`` descending.
    hit, predicted
        ``(experiment, t)`` true particles hit, and candidates kept.
    truth
        ``(experiment,)`` true particles.
    """

    threshold: NDArray[np.float64]
    hit: NDArray[np.int64]
    predicted: NDArray[np.int64]
    truth: NDArray[np.int64]

    def f_beta(self, multiplicity: NDArray[np.float64]) -> NDArray[np.float64]:  # (draw, experiment) -> (draw, t)
        """Return F-beta at each threshold with every experiment counted as often as ``multiplicity`` says."""
        hit, predicted = multiplicity @ self.hit, multiplicity @ self.predicted
        truth = (multiplicity @ self.truth)[:, None]
        return f_beta(hit, predicted, truth)


@dataclass(frozen=True)
class TuningProblem:
    """Candidates and truth of one species.

    Attributes
    ----------
    particle
        The species.
    points
        Candidates of all members, scored by evidence, in the total order.
    truth_position, truth_experiment
        ``(m, 3)`` Å and ``(m,)`` codes of the true particles.
    experiments
        How many experiments there are.
    variance
        ``(members,)`` Å^2.
    """

    particle: Particle
    points: Points
    truth_position: NDArray[np.float64]
    truth_experiment: NDArray[np.int64]
    experiments: int
    variance: NDArray[np.float64]
    _cache: dict[tuple[float, tuple[bool, ...]], _Clusters] = field(default_factory=dict, repr=False, compare=False)

    def sweep(self, weight: NDArray[np.float64], radius_fraction: float) -> Sweep:  # weight: (members,)
        """Return the counts of the fused list under these weights and this radius."""
        clusters = self._clusters(tuple(map(bool, weight > 0)), radius_fraction)
        fused = merge(clusters.points, clusters.seed, weight=weight, variance=self.variance)
        true, near = clusters.true, clusters.near
        offset = fused.position[near] - self.truth_position[true]
        squared = offset[:, 0] ** 2 + offset[:, 1] ** 2 + offset[:, 2] ** 2
        reached = squared <= (DISTANCE * self.particle.radius) ** 2
        best = np.full(len(self.truth_position), -np.inf)
        np.maximum.at(best, true[reached], fused.score[near[reached]])
        found = np.isfinite(best)
        threshold = np.unique(best[found])[::-1]
        return Sweep(
            threshold,
            self._cumulative(best[found], self.truth_experiment[found], threshold),
            self._cumulative(fused.score, fused.experiment, threshold),
            np.bincount(self.truth_experiment, minlength=self.experiments),
        )

    def findings(self, radius_fraction: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return what each member says of every cluster of all members, and which clusters are hits.

        Returns
        -------
        evidence
            ``(cluster, member)``, 0 where a member saw nothing.
        hit
            ``(cluster,)``: the first on a true particle when all members count alike.
        """
        members = len(self.variance)
        clusters = self._clusters((True,) * members, radius_fraction)
        seeds, inverse = np.unique(clusters.seed, return_inverse=True)
        evidence = np.zeros((len(seeds), members))
        evidence[inverse.reshape(-1), clusters.points.member] = clusters.points.score
        fused = merge(clusters.points, clusters.seed, weight=np.ones(members), variance=self.variance)
        hits = first_hits(
            fused.position,
            fused.experiment,
            fused.score,
            self.truth_position,
            self.truth_experiment,
            reach=DISTANCE * self.particle.radius,
        )
        return evidence, hits.label

    def _cumulative(
        self, score: NDArray[np.float64], experiment: NDArray[np.int64], threshold: NDArray[np.float64]
    ) -> NDArray[np.int64]:  # (experiment, t)
        """Return how many scores of each experiment are at least each (descending) threshold."""
        place = np.searchsorted(-threshold, -score)  # the first threshold that the score reaches
        shape = (self.experiments, len(threshold) + 1)
        cells = np.bincount(experiment * shape[1] + place, minlength=shape[0] * shape[1]).reshape(shape)
        return np.cumsum(cells[:, :-1], axis=1)

    def _clusters(self, active: tuple[bool, ...], radius_fraction: float) -> _Clusters:
        """Return the clusters of these members at this radius, found once."""
        key = (radius_fraction, active)
        if key not in self._cache:
            points = self.points[np.array(active, bool)[self.points.member]]
            radius = radius_fraction * self.particle.radius
            seed = cluster(points.position, points.member, points.experiment, points.score, radius=radius)
            seeds = np.unique(seed)
            # A cluster's centre lies within the radius of its seed.
            reach = np.full(self.experiments, DISTANCE * self.particle.radius + radius + 1e-6)
            true, near = pairs_within(
                self.truth_position,
                self.truth_experiment,
                points.position[seeds],
                points.experiment[seeds],
                reach=reach,
            )
            self._cache[key] = _Clusters(points, seed, true, near)
        return self._cache[key]


@dataclass(frozen=True)
class _Clusters:
    """Clusters, and the pairs (true particle, cluster) that could be hits."""

    points: Points
    seed: NDArray[np.int64]
    true: NDArray[np.int64]
    near: NDArray[np.int64]
