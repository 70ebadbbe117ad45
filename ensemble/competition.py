"""Competition: one place holds one particle, so species that are found at the same place share its probability.

Each species is calibrated on its own, against everything else. Where a thyroglobulin is all but certain, a candidate
for beta-galactosidase is most likely that thyroglobulin, whatever its own score says. How much it matters is learned,
and a species pays no heed to rivals until it has seen that they are right: good members hardly confuse species.
Nothing is suppressed: of two species that are equally likely both keep about half, far above any threshold that
beta = 4 asks for, and no candidate is removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.calibration import DECIMALS, label_hits
from ensemble.logistic import fit_logistic
from evaluation.matching import DISTANCE, codes, pairs_within, positions
from postproc.candidates import in_order
from tomograms.particles import Particle

CONTENDER = 0.01
"""Probability from which on a candidate weighs against other species: a smaller one changes theirs by at most 1 %."""
CERTAIN = 0.999
"""Probability above which it weighs no more: what was calibrated on a hundred particles is not surer than that."""
ALONE = (1.0, 0.0)
"""Prior means of the coefficients: a candidate's own odds, and nothing of its rivals'."""
SPREAD = 0.35
"""Prior standard deviation of either."""
LEAST = 0.01
"""Smallest coefficient of a candidate's own odds."""
COEFFICIENT_DECIMALS = 6
"""Weights are rounded, so that another machine's exp and log give the same tables."""


@dataclass(frozen=True)
class CompetitionWeights:
    """What one species makes of its rivals: how its own odds, and those of other species at the place, count.

    With odds o of a candidate and o_k of the likeliest candidate of every other species at its place, the score becomes
    the sigmoid of ``own x log o - rivals x log(1 + sum of o_k) + intercept``. The default is the odds' share,
    o / (1 + o + sum of o_k): exactly one of these species, or none, is there, and each one's odds against nothing are
    what they are alone. With ``rivals`` 0 each species keeps to itself.

    Attributes
    ----------
    own
        Above 0, so that candidates without rivals keep their order.
    rivals
        At least 0: a rival never speaks for a candidate.
    intercept
        0 by default.
    """

    own: float = 1.0
    rivals: float = 1.0
    intercept: float = 0.0


def compete(
    table: pd.DataFrame, particles: Sequence[Particle], weights: Mapping[str, CompetitionWeights]
) -> pd.DataFrame:
    """Return the candidates with what their species is likely to be, given what else was found there.

    Candidates of two species are at one place when they are not further apart than the mean of the two distances within
    which the metric takes them for hits.

    Parameters
    ----------
    table
        Candidates of one member, scores as probabilities.
    particles
        Every species; also those that are not scored (weight 0) compete. Candidates of others are left as they are.
    weights
        By species.

    Returns
    -------
    pd.DataFrame
        In the total order, which the new scores change.
    """
    own, against = _log_odds(table, particles)
    score = table["score"].to_numpy(np.float64).copy()
    species = codes(table["particle_type"], [particle.name for particle in particles])
    for label, particle in enumerate(particles):
        rows, weight = np.flatnonzero(species == label), weights[particle.name]
        value = weight.own * own[rows] - weight.rivals * against[rows] + weight.intercept
        score[rows] = np.exp(-np.logaddexp(0.0, -value))
    return in_order(table.assign(score=np.round(score, DECIMALS)))


def fit_competition(
    truth: pd.DataFrame, table: pd.DataFrame, particles: Sequence[Particle]
) -> dict[str, CompetitionWeights]:
    """Return every species' weights, learned from which candidates are hits.

    Where two species are taken for each other (beta-galactosidase and thyroglobulin), a rival says as much as its odds
    or more; where they crowd without being confused, nothing. A normal prior about `ALONE` holds where few candidates
    have rivals.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å) of the tuning runs.
    table
        Their candidates, as for `compete`.
    particles
        Every species.
    """
    own, against = _log_odds(table, particles)
    names = table["particle_type"].to_numpy(object)
    weights = {}
    for particle in particles:
        rows = np.flatnonzero(names == particle.name)
        hit = label_hits(truth, table.iloc[rows].reset_index(drop=True), particle).label
        if not hit.any() or hit.all():
            weights[particle.name] = CompetitionWeights(*ALONE)
            continue
        coefficients, intercept = fit_logistic(
            np.column_stack([own[rows], -against[rows]]),
            hit,
            prior=np.array(ALONE),
            precision=np.eye(2) / SPREAD**2,
            least=np.array([LEAST, 0.0]),
        )
        values = np.round([*coefficients, intercept], COEFFICIENT_DECIMALS)
        weights[particle.name] = CompetitionWeights(*values.tolist())
    return weights


def _log_odds(
    table: pd.DataFrame, particles: Sequence[Particle]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # (rows,), (rows,)
    """Return log o of every candidate, and log(1 + sum of o_k) of its rivals, 0 without any."""
    species = codes(table["particle_type"], [particle.name for particle in particles])
    place, place_of = pd.factorize(table["experiment"], sort=True)
    reach = DISTANCE * np.array([particle.radius for particle in particles])
    xyz, odds = positions(table), to_odds(table["score"].to_numpy(np.float64))
    known = np.flatnonzero(species >= 0)
    strong = known[odds[known] >= CONTENDER / (1 - CONTENDER)]
    first, second = pairs_within(
        xyz[strong],
        place[strong].astype(np.int64),
        xyz[known],
        place[known].astype(np.int64),
        reach=np.full(len(place_of), reach.max(initial=0.0)),
    )
    rival, row = strong[first], known[second]
    squared = ((xyz[rival] - xyz[row]) ** 2).sum(axis=1)
    near = squared <= ((reach[species[rival]] + reach[species[row]]) / 2) ** 2
    near &= species[rival] != species[row]
    rival, row = rival[near], row[near]
    weight = np.minimum(odds[rival], CERTAIN / (1 - CERTAIN))
    return np.log(odds), np.log1p(_sum_of_best(row, species[rival], weight, len(table), len(particles)))


def _sum_of_best(
    row: NDArray[np.int64],  # (k,)
    species: NDArray[np.int64],  # (k,) of the rival
    odds: NDArray[np.float64],  # (k,) of the rival
    rows: int,
    kinds: int,
) -> NDArray[np.float64]:  # (rows,)
    """Return for each row the largest odds of every rival species, added over species."""
    order = np.lexsort((-odds, species, row))
    key = (row * kinds + species)[order]
    first = order[np.flatnonzero(np.diff(key, prepend=-1))]  # of each row and species
    return np.bincount(row[first], odds[first], minlength=rows).astype(np.float64)


def to_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p / (1 - p), ``(n,)``, kept finite and above 0."""
    clipped = np.clip(probability, 10.0**-DECIMALS, 1 - 10.0**-DECIMALS)
    return clipped / (1 - clipped)
