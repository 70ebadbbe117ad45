"""Which of a tomogram's fused candidates are reported: those that the expected F-beta asks for.

With calibrated probabilities p, keeping the k likeliest candidates of a species has the expected counts tp = sum of the
first k, and true particles T = sum of all. So F = (1 + b^2) tp / (b^2 T + k) is expected, and it is highest where
every candidate with p >= F / (1 + b^2) is kept (Lipton, Elkan and Naryanaswamy 2014). The cut is the tomogram's own:
where a species is rare or hard, F is lower, and so is the cut. No pick is needed: new tomograms are cut as those of the
folds are.

Probabilities are as wrong as their calibration is. What the tuning runs say of that is one factor a species on the cut,
held near 1: a change by a factor e must be worth `WORTH` true particles.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.counts import BETA, f_beta
from evaluation.matching import codes
from evaluation.thresholds import sweep
from tomograms.particles import Particle

FACTORS = tuple(float(np.exp(step / 4)) for step in range(-8, 9))
"""Factors on the cut that are tried."""
WORTH = 2.0
"""True particles that a factor of e, either way, must gain; between 2 and 4 set A and the phantom score the same."""


def expected_cut(probability: NDArray[np.float64]) -> float:
    """Return the lowest probability that is worth reporting: the highest expected F-beta by 1 + beta^2.

    Parameters
    ----------
    probability
        ``(n,)`` calibrated, of one species in one tomogram. Without any, or where all are 0, the cut is inf.
    """
    ordered = np.sort(probability)[::-1]
    if not ordered.any():
        return float("inf")
    found = np.cumsum(ordered)
    expected = (1 + BETA**2) * found / (BETA**2 * found[-1] + np.arange(1, len(found) + 1))
    return float(expected.max() / (1 + BETA**2))


def relative(table: pd.DataFrame) -> NDArray[np.float64]:  # (rows,)
    """Return each candidate's probability by the expected cut of its species in its tomogram.

    Parameters
    ----------
    table
        All candidates, ``experiment, particle_type, score`` (a probability).
    """
    score = table["score"].to_numpy(np.float64)
    out = np.zeros(len(table))
    places = [codes(table[name], sorted(table[name].unique())) for name in ("experiment", "particle_type")]
    group = places[0] * (places[1].max(initial=0) + 1) + places[1]
    for one in np.unique(group):
        rows = np.flatnonzero(group == one)
        out[rows] = score[rows] / expected_cut(score[rows])
    return out


def keep(table: pd.DataFrame, factors: Mapping[str, float]) -> pd.DataFrame:
    """Return the candidates that reach their tomogram's cut times their species' factor.

    Parameters
    ----------
    table
        As for `relative`; whole tomograms, since a cut depends on all candidates of its species.
    factors
        By species; a species without one is dropped.
    """
    limit = table["particle_type"].map(dict(factors)).to_numpy(np.float64, na_value=np.inf)
    return table[relative(table) >= limit].reset_index(drop=True)


def fit_factor(truth: pd.DataFrame, table: pd.DataFrame, particle: Particle) -> float:
    """Return a species' factor on the expected cut: the best one on these runs, held near 1.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å) of the tuning runs.
    table
        Their fused candidates, scores as probabilities.
    particle
        The species. 1 where the runs hold none of it.
    """
    rows = table[table["particle_type"] == particle.name].reset_index(drop=True)
    curve = sweep(truth, rows.assign(score=relative(rows)), particle)
    true = int((truth["particle_type"] == particle.name).sum())
    if not true or not len(curve.threshold):
        return 1.0
    last = np.searchsorted(-curve.threshold, -np.array(FACTORS), side="right") - 1  # the lowest score that is kept
    tp, fp = (np.where(last >= 0, counts[last], 0) for counts in (curve.tp, curve.fp))
    value = f_beta(tp, tp + fp, true) - WORTH * np.log(FACTORS) ** 2 / true
    best = np.flatnonzero(value >= value.max() - 1e-12)
    return FACTORS[int(best[np.argmin(np.abs(best - len(FACTORS) // 2))])]  # of equal ones the nearest to 1
