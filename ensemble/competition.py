"""Competition: one place holds one particle, so species that are found at the same place share its probability.

Each species is calibrated on its own, against everything else. Where a thyroglobulin is all but certain, a candidate
for beta-galactosidase is most likely that thyroglobulin, whatever its own score says. Nothing is suppressed: of two
species that are equally likely both keep half, far above any threshold that beta = 4 asks for, and no candidate is
removed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.calibration import DECIMALS
from ensemble.points import codes
from evaluation.matching import DISTANCE, pairs_within, positions
from postproc.candidates import in_order
from tomograms.particles import Particle

CONTENDER = 0.01
"""Probability from which on a candidate weighs against other species: a smaller one changes theirs by at most 1 %."""
CERTAIN = 0.999
"""Probability above which it weighs no more: what was calibrated on a hundred particles is not surer than that."""


def compete(table: pd.DataFrame, particles: Sequence[Particle]) -> pd.DataFrame:
    """Return the candidates with what their species is likely to be, given what else was found there.

    With odds o of the candidate and o_k of the likeliest candidate of every other species at its place, the score
    becomes o / (1 + o + sum of o_k): exactly one of these species, or none, is there, and each one's odds against
    nothing are what they are alone. Candidates of two species are at one place when they are not further apart than
    the mean of the two distances within which the metric takes them for hits.

    Parameters
    ----------
    table
        Candidates of one member, scores as probabilities.
    particles
        Every species; also those that are not scored (weight 0) compete. Candidates of others are left as they are.

    Returns
    -------
    pd.DataFrame
        In the total order, which the new scores change.
    """
    species = codes(table["particle_type"], [particle.name for particle in particles])
    place, place_of = pd.factorize(table["experiment"], sort=True)
    reach = DISTANCE * np.array([particle.radius for particle in particles])
    xyz, odds = positions(table), _odds(table["score"].to_numpy(np.float64))
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
    against = _sum_of_best(row, species[rival], weight, len(table), len(particles))
    score = np.where(against > 0, odds / (1 + odds + against), table["score"].to_numpy(np.float64))
    return in_order(table.assign(score=np.round(score, DECIMALS)))


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


def _odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p / (1 - p), kept finite."""
    clipped = np.clip(probability, 0.0, 1 - 10.0**-DECIMALS)
    return clipped / (1 - clipped)
