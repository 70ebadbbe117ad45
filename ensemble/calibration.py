"""Calibration: a member's scores become probabilities of being a hit, per species, without changing their ranking.

Platt scaling, a logistic regression on the logit of the score (Platt 1999, with the smoothed targets of its eq. 10),
and isotonic regression on top where there are enough hits. After it, scores compare between members and species.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from ensemble.clustering import cluster
from ensemble.logistic import smoothed_targets
from evaluation.matching import DISTANCE, codes, positions
from tomograms.particles import Particle

TINY = 1e-12
"""Scores in [0, 1] are kept this far from both ends before the logit."""
FLOOR = 0.03
"""Odds below which a candidate is hardly more evidence than none: half of what makes one worth reporting with beta = 4
(1 / 17). Much lower, and a member that saw nothing, which is no candidate at all, outvotes one that is all but sure."""
DECIMALS = 10
"""Probabilities are rounded, so that another machine's exp and log give the same tables."""
ISOTONIC_HITS = 200
"""Hits from which on isotonic regression is trusted."""
BLEND = 0.1
"""Share of Platt's curve in an isotonic one: isotonic steps alone would tie what the member had ranked."""
DEFAULT_SLOPE = 1.0
"""Slope where the data give none above 0: log-odds are taken for what they are, up to a constant."""


@dataclass(frozen=True)
class Calibration:
    """An increasing map from score to probability.

    Attributes
    ----------
    logit
        Whether the score goes through the logit first; only where all scores lie in [0, 1].
    slope, intercept
        Platt: probability = sigmoid(slope x transformed score + intercept).
    knots, levels
        Isotonic: piecewise linear between the knots (on Platt's probability) and constant outside; empty for none.
    """

    logit: bool = True
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()

    def __call__(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of scores, both ``(n,)``."""
        platt = _sigmoid(self.slope * _transform(score, self.logit) + self.intercept)
        if not self.knots:
            return np.round(platt, DECIMALS)
        return np.round(BLEND * platt + (1 - BLEND) * np.interp(platt, self.knots, self.levels), DECIMALS)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Calibration:
        """Return the calibration of its fields as JSON holds them, exactly."""
        return cls(**{**record, "knots": tuple(record["knots"]), "levels": tuple(record["levels"])})


@dataclass(frozen=True)
class Hits:
    """Which candidates of one member and species are hits.

    Attributes
    ----------
    label
        ``(n,)`` bool: True for the best candidate that finds a true particle which no better one has taken; a second
        candidate on it, and one that finds nothing, is False.
    distance
        ``(n,)`` Å to that particle, NaN where the label is False.
    """

    label: NDArray[np.bool_]
    distance: NDArray[np.float64]


def label_hits(truth: pd.DataFrame, candidates: pd.DataFrame, particle: Particle) -> Hits:
    """Return which candidates are hits, best score first, each taking the nearest true particle that is left.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å); rows of other species are left out.
    candidates
        Candidates of one member and of this species, in the total order.
    particle
        The species; a hit lies within half its radius.
    """
    truth = truth[truth["particle_type"] == particle.name].sort_values(["experiment", "z", "y", "x"])
    experiments = sorted({*truth["experiment"], *candidates["experiment"]})
    return first_hits(
        positions(candidates),
        codes(candidates["experiment"], experiments),
        candidates["score"].to_numpy(np.float64),
        positions(truth),
        codes(truth["experiment"], experiments),
        reach=DISTANCE * particle.radius,
    )


def first_hits(
    position: NDArray[np.float64],  # (n, 3) Å
    experiment: NDArray[np.int64],  # (n,)
    score: NDArray[np.float64],  # (n,)
    true_position: NDArray[np.float64],  # (m, 3) Å
    true_experiment: NDArray[np.int64],  # (m,)
    *,
    reach: float,
) -> Hits:
    """Return which places are hits, best score first (on ties the earlier row); see `label_hits`."""
    order = np.argsort(-score, kind="stable")
    found, true = len(position), len(true_position)
    # Truth takes part as a second member whose rows come last: it never seeds before a candidate could take it.
    both = np.concatenate([position[order], true_position])
    group = np.concatenate([experiment[order], true_experiment])
    seed = cluster(both, np.repeat([0, 1], [found, true]), group, np.ones(found + true), radius=reach)
    taken = found + np.flatnonzero(seed[found:] < found)
    by = seed[taken]
    distance = np.full(found, np.nan)
    distance[order[by]] = np.sqrt(((both[by] - both[taken]) ** 2).sum(axis=1))
    return Hits(~np.isnan(distance), distance)


def evidence(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log(1 + odds / `FLOOR`), ``(n,)``, at least 0: the scale on which members are averaged.

    Independent findings multiply odds, so their logarithms add; a mean of probabilities would hardly tell a particle
    that two members half believe in from one that a single member half believes in, and with beta = 4 the threshold
    lies just there. The 1 makes it 0 where there is no candidate, without a step.
    """
    clipped = np.clip(probability, 0.0, 1 - 10.0**-DECIMALS)
    return np.log1p(clipped / (1 - clipped) / FLOOR)


def fit_calibration(score: NDArray[np.float64], label: NDArray[np.bool_], *, logit: bool | None = None) -> Calibration:
    """Return the calibration of scores that are hits or not.

    Platt's regression is regularised (C = 1 on the standardised score) and its targets are smoothed by one hit and one
    miss. Where it has no slope above 0 (no hit, only hits, one distinct score, or worse than chance) log-odds are taken
    for what they are, and the mean probability is the smoothed share of hits: the ranking is never reversed.

    Parameters
    ----------
    score
        ``(n,)`` finite.
    label
        ``(n,)``.
    logit
        Whether the scores are probabilities; by default where all lie in [0, 1].
    """
    if not len(score):
        return Calibration()
    if logit is None:
        logit = bool(score.min() >= 0 and score.max() <= 1)
    value = _transform(score, logit)
    centre, scale = float(value.mean()), float(value.std()) or 1.0
    slope, intercept = _platt((value - centre) / scale, label, default=DEFAULT_SLOPE * scale)
    fitted = Calibration(logit, slope / scale, intercept - slope * centre / scale)
    if int(label.sum()) <= ISOTONIC_HITS or label.all():
        return fitted
    knots, levels = _isotonic(fitted(score), label)
    return Calibration(fitted.logit, fitted.slope, fitted.intercept, knots, levels)


def localisation_variance(hits: Hits, probability: NDArray[np.float64], particle: Particle) -> float:
    """Return a member's localisation variance per axis in Å^2, measured on its hits.

    Mean squared distance / 3, weighted by the calibrated probability: among low scores, chance hits lie anywhere within
    the tolerance and say nothing of the member. Pulled to (radius / 5)^2 with the weight of five hits.
    """
    weight = probability[hits.label]
    squared = hits.distance[hits.label] ** 2 / 3
    prior = (particle.radius / 5) ** 2
    return float((np.sum(weight * squared) + 5 * prior) / (np.sum(weight) + 5))


def _transform(score: NDArray[np.float64], logit: bool) -> NDArray[np.float64]:
    """Return the logit of scores, or the scores."""
    if not logit:
        return np.asarray(score, np.float64)
    clipped = np.clip(score, TINY, 1 - TINY)
    return np.log(clipped) - np.log1p(-clipped)


def _sigmoid(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-value)) without overflow."""
    small = np.exp(-np.abs(value))
    return np.where(value >= 0, 1 / (1 + small), small / (1 + small))


def _platt(value: NDArray[np.float64], label: NDArray[np.bool_], *, default: float) -> tuple[float, float]:
    """Return slope (above 0) and intercept of a logistic regression on standardised scores; else a default slope."""
    hits, misses = int(label.sum()), int((~label).sum())
    if hits and misses and value.std() > 0:
        target = smoothed_targets(label)  # a target t is a hit of weight t beside a miss of weight 1 - t
        model = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000)
        both = np.concatenate([value, value])[:, None]
        model.fit(both, np.repeat([1, 0], len(value)), sample_weight=np.concatenate([target, 1 - target]))
        slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
        if slope > 0:
            return slope, intercept
    return default, _intercept(default * value, (hits + 1) / (hits + misses + 2))


def _intercept(value: NDArray[np.float64], share: float) -> float:
    """Return what must be added to log-odds for their mean probability to be ``share``, by bisection."""
    low, high = -50.0 - float(np.abs(value).max()), 50.0 + float(np.abs(value).max())
    for _ in range(100):
        middle = (low + high) / 2
        if _sigmoid(value + middle).mean() < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _isotonic(
    probability: NDArray[np.float64], label: NDArray[np.bool_]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return knots and levels of the isotonic regression of labels on Platt's probabilities."""
    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    model.fit(probability, label.astype(np.float64))
    return tuple(map(float, model.X_thresholds_)), tuple(map(float, model.y_thresholds_))
