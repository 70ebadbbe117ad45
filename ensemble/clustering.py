"""Weighted 3D clustering: the candidates of several members become one list.

Greedy and one-to-one: the best candidate that is still free seeds a cluster and takes at most one free candidate of
every *other* member within the radius, so two true neighbours, which every member sees as two, never merge. Seeds go by
score and not by score x weight: who belongs together is a question of geometry, and so it cannot depend on
how a member's weight is split. Weights decide where the cluster lies and what it scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ensemble.points import Points, coded, to_table
from evaluation.matching import codes
from postproc.candidates import concatenate, typed
from tomograms.particles import Particle

FUSED_MEMBER = "ensemble"
MEAN_MODEL = "mean"
MODEL_RADIUS = 0.5
"""Models of one member see the same particle within the metric's own tolerance, in particle radii."""


@dataclass(frozen=True)
class FusionRule:
    """How one species is fused.

    Attributes
    ----------
    weights
        By member; 0 leaves a member out. Only ratios count.
    radius_fraction
        Cluster radius in particle radii.
    variance
        By member: localisation variance per axis in Å^2; a position counts by 1 / variance.
    """

    weights: Mapping[str, float]
    radius_fraction: float
    variance: Mapping[str, float]

    @property
    def active(self) -> tuple[str, ...]:
        """The members that take part, sorted."""
        return tuple(sorted(member for member, weight in self.weights.items() if weight > 0))


def neighbours(
    position: NDArray[np.float64],  # (n, 3) Å
    group: NDArray[np.int64],  # (n,)
    radius: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:  # (m,), (m,), (m,) Å
    """Return every ordered pair of rows of one group at most ``radius`` apart, and the distances.

    One tree serves all groups: they are laid side by side along x, and distances are taken from the unmoved positions.
    """
    if len(position) < 2 or not radius > 0:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    low, high = position[:, 0].min(), position[:, 0].max()
    spread = position.copy()
    spread[:, 0] += group * (high - low + 2 * radius + 1.0) - low
    pairs = cKDTree(spread).query_pairs(radius * (1 + 1e-6) + 1e-6, output_type="ndarray").astype(np.int64)
    first, second = pairs[:, 0], pairs[:, 1]
    distance = np.sqrt(((position[first] - position[second]) ** 2).sum(axis=1))
    keep = (distance <= radius) & (group[first] == group[second])
    first, second, distance = first[keep], second[keep], distance[keep]
    return np.concatenate([first, second]), np.concatenate([second, first]), np.concatenate([distance, distance])


def cluster(
    position: NDArray[np.float64],  # (n, 3) Å
    member: NDArray[np.int64],  # (n,)
    group: NDArray[np.int64],  # (n,)
    strength: NDArray[np.float64],  # (n,) at least 0
    *,
    radius: float,
) -> NDArray[np.int64]:  # (n,)
    """Return for every row the row that seeds its cluster.

    Rows come best first. In that order each free row becomes a seed and takes, of every other member, the free row of
    its group with the largest ``strength x (1 - (distance / radius)^2)`` within the radius (on ties the earlier row).

    The sequence is worked off in rounds of whole arrays. A seed may act in a round when no free row within two steps
    of it (its neighbours, and their neighbours) comes before it: nothing that happens earlier in the sequence can
    then touch what it takes, so the result is that of the sequence.
    """
    count = len(position)
    seed = np.arange(count)
    free = np.ones(count, bool)
    a, b, distance = neighbours(position, group, radius)
    cross = member[a] != member[b]
    a, b, distance = a[cross], b[cross], distance[cross]
    affinity = strength[b] * (1 - (distance / radius) ** 2)
    while len(a):
        earliest = np.arange(count)
        np.minimum.at(earliest, a, b)
        waiting = np.zeros(count, bool)
        waiting[a[(earliest[b] < a) | (earliest[a] < a)]] = True
        acting = ~waiting[a]
        seeds, offered = a[acting], b[acting]
        order = np.lexsort((offered, -affinity[acting], member[offered], seeds))
        seeds, offered = seeds[order], offered[order]
        new = np.ones(len(seeds), bool)
        new[1:] = (seeds[1:] != seeds[:-1]) | (member[offered[1:]] != member[offered[:-1]])
        seed[offered[new]] = seeds[new]
        free[seeds] = False
        free[offered[new]] = False
        left = free[a] & free[b]
        a, b, affinity = a[left], b[left], affinity[left]
    return seed


def merge(
    points: Points,
    seed: NDArray[np.int64],  # (n,) of `cluster`
    *,
    weight: NDArray[np.float64],  # (members,)
    variance: NDArray[np.float64],  # (members,) Å^2
) -> Points:
    """Return one point per cluster, in the order of their seeds, with ``member`` 0.

    Position: mean weighted by weight x score / variance. Score: sum of weight x score over the cluster, divided by the
    weights of *all* members, so that a member which saw nothing votes 0 and agreement counts.
    """
    seeds, inverse = np.unique(seed, return_inverse=True)
    inverse = inverse.reshape(-1)
    vote = weight[points.member] * points.score
    share = vote / variance[points.member]
    size = len(seeds)
    total = np.bincount(inverse, share, minlength=size)
    total[total == 0] = 1.0
    position = points.position[seeds]
    offset = points.position - position[inverse]
    shift = np.stack([np.bincount(inverse, share * offset[:, axis], minlength=size) for axis in range(3)], axis=1)
    score = np.bincount(inverse, vote, minlength=size) / weight.sum()
    return Points(position + shift / total[:, None], score, np.zeros(size, np.int64), points.experiment[seeds])


def fuse_points(
    points: Points,  # in the total order
    *,
    radius: float,
    weight: NDArray[np.float64],  # (members,)
    variance: NDArray[np.float64],  # (members,) Å^2
) -> Points:
    """Return the clusters of one species as points; members of weight 0 take no part."""
    points = points[weight[points.member] > 0]
    seed = cluster(points.position, points.member, points.experiment, points.score, radius=radius)
    return merge(points, seed, weight=weight, variance=variance).ordered()


def fuse(
    candidates: pd.DataFrame,
    particles: Sequence[Particle],
    *,
    rules: Mapping[str, FusionRule],
) -> pd.DataFrame:
    """Return the fused candidates: per experiment and species, never across species.

    Parameters
    ----------
    candidates
        Candidates with comparable scores (at least 0), one model per member. Members that a rule does not name are
        left out.
    particles
        Species; candidates of others are left out.
    rules
        By species.

    Returns
    -------
    pd.DataFrame
        Candidates of the member ``ensemble`` in the total order. Neither their order nor that of the rows or the
        members changes a bit of it.

    Raises
    ------
    ValueError
        If a score is negative or not finite, or all of a rule's weights are 0.
    """
    _check_scores(candidates)
    experiments = sorted(candidates["experiment"].unique())
    members = sorted({member for particle in particles for member in rules[particle.name].weights})
    points = coded(candidates, members=members, experiments=experiments)
    species = np.where(points.member >= 0, codes(candidates["particle_type"], [p.name for p in particles]), -1)
    fused = {}
    for label, particle in enumerate(particles):
        rule = rules[particle.name]
        weight = np.array([rule.weights.get(member, 0.0) for member in members], np.float64)
        if not (np.all(weight >= 0) and weight.sum() > 0):
            raise ValueError(
                f"expected weights of at least 0, one above 0, for {particle.name}, but got {rule.weights}"
            )
        variance = np.array([rule.variance.get(member, 1.0) for member in members], np.float64)
        own = points[species == label].ordered()
        radius = rule.radius_fraction * particle.radius
        fused[particle.name] = fuse_points(own, radius=radius, weight=weight, variance=variance)
    return to_table(fused, experiments=experiments, member=FUSED_MEMBER, model=MEAN_MODEL)


def average_models(
    candidates: pd.DataFrame, particles: Sequence[Particle], n_models: int | Mapping[str, int]
) -> pd.DataFrame:
    """Return one list per member from the lists of its models (seeds, folds), so that a member counts once.

    The models' candidates are clustered like members', within half a particle radius; the score is the mean over the
    models (a model that saw nothing counts 0) and the position is weighted by score.

    Parameters
    ----------
    candidates
        Candidates of any number of members, experiments and models.
    particles
        Species; candidates of others are left out.
    n_models
        How many models predicted each experiment, for all members or by member. Models without a candidate count too,
        so it cannot be read off the table.

    Returns
    -------
    pd.DataFrame
        Candidates whose ``model`` is ``mean``, in the total order.

    Raises
    ------
    ValueError
        If a score is negative or not finite, or an experiment has candidates of more than ``n_models`` models.
    """
    tables = []
    names = [particle.name for particle in particles]
    for member, rows in candidates.groupby("member", sort=True):
        models = n_models if isinstance(n_models, int) else n_models[str(member)]
        most = int(rows.groupby("experiment")["model"].nunique().max())
        if most > models:
            raise ValueError(f"expected at most {models} models of {member} per experiment, but got {most}")
        if models == 1:  # nothing to average, and the scores may be of any kind
            tables.append(typed(rows[rows["particle_type"].isin(names)].assign(model=MEAN_MODEL)))
            continue
        # Fold models carry other names in other experiments: within an experiment they are numbered from 0.
        numbered = rows.groupby("experiment")["model"].transform(lambda names: pd.factorize(names, sort=True)[0])
        slots = [str(slot) for slot in range(models)]
        rule = FusionRule(dict.fromkeys(slots, 1.0), MODEL_RADIUS, dict.fromkeys(slots, 1.0))
        rules = dict.fromkeys(names, rule)
        fused = fuse(rows.assign(member=numbered.astype(int).astype(str)), particles, rules=rules)
        tables.append(typed(fused.assign(member=member, model=MEAN_MODEL)))
    return concatenate(tables)


def _check_scores(candidates: pd.DataFrame) -> None:
    score = candidates["score"].to_numpy(np.float64)
    if not (np.isfinite(score).all() and (score >= 0).all()):
        raise ValueError("expected finite scores of at least 0; calibrate the candidates before fusing them")
