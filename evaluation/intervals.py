"""How far a score would move with other runs of the same kind: bootstrap over runs, exactly where they are few.

Runs are drawn with replacement, counts are pooled with each run's multiplicity, and the score follows. Seven runs have
1,716 distinct draws, so all of them are taken, each with its probability. Rules are not refitted and networks are not
trained again: the intervals omit training variance, and with few runs they are too narrow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from math import comb, factorial

import numpy as np
from numpy.typing import NDArray

from evaluation.counts import Counts, f_beta
from evaluation.nested import NestedResult
from tomograms.particles import Particle

ENUMERATED = 7_000  # distinct draws up to which all are taken (8 runs: 6,435)
SAMPLED = 10_000  # draws otherwise
SEED = 8620
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A percentile interval over resampled runs.

    Attributes
    ----------
    estimate
        The figure on the runs themselves.
    low, high
        Its 2.5 % and 97.5 % percentiles.
    deviation
        Its standard deviation.
    resamplings
        How many distinct (or, where they are too many, sampled) draws it rests on.
    """

    estimate: float
    low: float
    high: float
    deviation: float
    resamplings: int


def score_interval(result: NestedResult) -> Interval:
    """Return the interval of a nested score."""
    experiments = sorted(result.counts)
    multiplicity, probability = resamplings(len(experiments))
    scores = resampled_scores(result.counts, result.particles, experiments, multiplicity)
    return interval_of(result.score.total, scores, probability)


def difference_interval(result: NestedResult, baseline: NestedResult) -> Interval:
    """Return the interval of ``result`` minus ``baseline``, paired: both are scored on the same draws.

    Raises
    ------
    ValueError
        If they are not of the same experiments.
    """
    experiments = sorted(result.counts)
    if experiments != sorted(baseline.counts):
        raise ValueError(
            f"expected results of the same experiments, but got {experiments} and {sorted(baseline.counts)}"
        )
    multiplicity, probability = resamplings(len(experiments))
    scores = resampled_scores(result.counts, result.particles, experiments, multiplicity)
    baseline_scores = resampled_scores(baseline.counts, baseline.particles, experiments, multiplicity)
    return interval_of(result.score.total - baseline.score.total, scores - baseline_scores, probability)


@lru_cache(maxsize=4)
def resamplings(n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # (draw, n), (draw,)
    """Return how often each of n runs is drawn, and each draw's probability.

    All C(2n - 1, n) distinct draws with their multinomial probabilities n! / (n^n prod k!), or a sample of equal
    probabilities from a fixed seed where these are too many. Without runs there is no draw.
    """
    if n == 0:
        return np.empty((0, 0), np.int64), np.empty(0)
    if comb(2 * n - 1, n) > ENUMERATED:
        sample = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), size=SAMPLED)
        return sample.astype(np.int64), np.full(SAMPLED, 1 / SAMPLED)
    drawn = np.array(list(combinations_with_replacement(range(n), n)), np.int64)
    multiplicity = np.stack([(drawn == run).sum(axis=1) for run in range(n)], axis=1)
    ways = np.array([factorial(k) for k in range(n + 1)], float)[multiplicity].prod(axis=1)
    return multiplicity, factorial(n) / n**n / ways


def resampled_scores(
    counts: Mapping[str, Mapping[str, Counts]],
    particles: Sequence[Particle],
    experiments: Sequence[str],
    multiplicity: NDArray[np.int64],  # (draw, experiment)
) -> NDArray[np.float64]:  # (draw,)
    """Return the weighted score of each draw of experiments."""
    table = np.array(
        [[(counts[e][p.name].tp, counts[e][p.name].fp, counts[e][p.name].fn) for p in particles] for e in experiments]
    )
    table = table.reshape(len(experiments), len(particles), 3)  # also without experiments
    tp, fp, fn = np.moveaxis(np.einsum("de,ept->dpt", multiplicity, table), -1, 0)  # each (draw, species)
    weights = np.array([particle.weight for particle in particles])
    return f_beta(tp, tp + fp, tp + fn) @ weights / weights.sum()


def percentile(
    values: NDArray[np.float64],  # (n,)
    probability: NDArray[np.float64],  # (n,)
    fraction: float,
) -> float:
    """Return the smallest value at which the cumulative probability reaches ``fraction``."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(probability[order])
    first = int(np.searchsorted(cumulative, fraction - 1e-12))
    return float(values[order[min(first, len(values) - 1)]])


def interval_of(estimate: float, values: NDArray[np.float64], probability: NDArray[np.float64]) -> Interval:
    """Return the percentile interval of weighted values; without values it is the estimate itself."""
    if not len(values):
        return Interval(estimate, estimate, estimate, 0.0, 0)
    tail = (1 - LEVEL) / 2
    mean = float(probability @ values)
    deviation = float(np.sqrt(probability @ (values - mean) ** 2))
    low, high = (percentile(values, probability, fraction) for fraction in (tail, 1 - tail))
    return Interval(estimate, low, high, deviation, len(values))
