"""Picks as people leave them: which particles they missed, which picks nothing speaks for, what such picks can show.

A calibrated probability p tells how likely a candidate lies on a *pick*. Where only a share c of the particles has been
picked, and no pick depends on how the particle looks, it lies on a particle with p / c. So one without a pick is a
missed particle with (p / c - p) / (1 - p) (Elkan and Noto 2008).

c is the share of hits among the surest candidates, where nearly all are particles. Networks that hardly tell a species
have few such candidates. So c is held near what people usually pick, and is just that where most of the surest
candidates lie on no pick: no list is made of a network's own mistakes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.counts import BETA
from evaluation.matching import DISTANCE, codes, pairs_within, positions
from tomograms.particles import Particle
from tomograms.picks import TRUTH_COLUMNS

USUAL = 0.9
"""Share of the particles that people pick, where nothing is known."""
FIRMNESS = 10.0
"""Candidates that this is worth."""
SUREST = 0.25
"""Part of as many candidates as there are picks, the surest, from which on the share of hits is looked at."""
TOLD = 0.5
"""Share of hits, below which the networks are taken to know the species less well than people do."""
LEAST = 0.1
"""Probability of a particle, from which on a candidate without a pick is listed."""
WEAK = 0.05
"""Probability of a pick, below which no candidate at it speaks for it."""
COLUMNS = [*TRUTH_COLUMNS, "probability", "instead"]


@dataclass(frozen=True)
class LabelReview:
    """What out-of-fold candidates say of one species' picks.

    Attributes
    ----------
    particle_type
        The species.
    picks
        How many there are.
    picked
        Estimated share of the particles that have a pick.
    missing
        Candidates without a pick: the columns of truth, ``probability`` that this is a particle, ``instead`` (empty).
    doubtful
        Picks that nothing speaks for, or more for another species: the columns of truth, ``probability`` of the best
        candidate of its species there (0 if there is none), ``instead`` (the other species, or empty).
    """

    particle_type: str
    picks: int
    picked: float
    missing: pd.DataFrame
    doubtful: pd.DataFrame

    @property
    def most(self) -> float:
        """F-beta of somebody who finds every particle and nothing else, scored against these picks.

        Every doubtful pick counts as wrong, so it is the lower end of what such a score may be.
        """
        if not self.picks:
            return 0.0
        right = self.picks - len(self.doubtful)
        reported = right / self.picked
        return (1 + BETA**2) * right / (BETA**2 * self.picks + reported)


def review_labels(picks: pd.DataFrame, fused: pd.DataFrame, particles: Sequence[Particle]) -> list[LabelReview]:
    """Return what candidates say of the picks of each species.

    Parameters
    ----------
    picks
        ``experiment, particle_type, x, y, z`` (Å), by hand.
    fused
        Fused candidates of the same tomograms, all of them; their scores are probabilities that were calibrated on
        picks of other tomograms.
    particles
        Every species.
    """
    rates = {p.name: picked_share(*_ranked_hits(picks, fused, p)) for p in particles}
    score = fused["score"].to_numpy(np.float64)
    share = fused["particle_type"].map(rates).to_numpy(np.float64)
    sure = np.minimum(score / share, 1.0)
    owner = _strongest(fused, sure, particles)
    reviews = []
    for particle in particles:
        own = picks[picks["particle_type"] == particle.name]
        lost = missing_probability(score, rates[particle.name])
        free = owner & (fused["particle_type"] == particle.name).to_numpy() & (lost >= LEAST)
        free &= ~_picked(fused, picks, particle, particles)
        missing = fused.loc[free, TRUTH_COLUMNS].assign(probability=lost[free], instead="")
        reviews.append(
            LabelReview(
                particle.name,
                len(own),
                rates[particle.name],
                _sorted(missing, ascending=False),
                _sorted(_doubtful(own, fused, sure, particle, particles), ascending=True),
            )
        )
    return reviews


def picked_share(hit: NDArray[np.bool_], picks: int) -> float:
    """Return the estimated share of the particles that have a pick.

    Parameters
    ----------
    hit
        ``(n,)``: whether each candidate lies on a pick; the surest first.
    picks
        How many there are.
    """
    number = np.arange(1, len(hit) + 1)
    share = (np.cumsum(hit) + FIRMNESS * USUAL) / (number + FIRMNESS)
    looked_at = share[max(0, int(SUREST * picks) - 1) : picks]
    best = float(looked_at.max(initial=0.0))
    return best if best >= TOLD else USUAL


def missing_probability(probability: NDArray[np.float64], picked: float) -> NDArray[np.float64]:  # (n,), share -> (n,)
    """Return how likely candidates without a pick are particles, from their probability of lying on a pick."""
    return np.clip(probability * (1 / picked - 1) / np.maximum(1 - probability, 1e-12), 0.0, 1.0)


def _ranked_hits(picks: pd.DataFrame, fused: pd.DataFrame, particle: Particle) -> tuple[NDArray[np.bool_], int]:
    """Return which candidates of a species, the surest first, lie on a pick of it; and the number of its picks."""
    own = picks[picks["particle_type"] == particle.name]
    rows = fused[fused["particle_type"] == particle.name].sort_values("score", ascending=False, kind="stable")
    return _within(rows, own, DISTANCE * particle.radius), len(own)


def _picked(
    fused: pd.DataFrame, picks: pd.DataFrame, particle: Particle, particles: Sequence[Particle]
) -> NDArray[np.bool_]:
    """Return which candidates lie within a radius of a pick of their species, or at a pick of another one."""
    found = np.zeros(len(fused), bool)
    for other in particles:
        reach = particle.radius if other == particle else DISTANCE * max(particle.radius, other.radius)
        found |= _within(fused, picks[picks["particle_type"] == other.name], reach)
    return found


def _strongest(
    fused: pd.DataFrame, sure: NDArray[np.float64], particles: Sequence[Particle]
) -> NDArray[np.bool_]:  # (n,), (n,) -> (n,)
    """Return which candidates no surer one of any species stands beside; of equal ones the first of the table."""
    radius = fused["particle_type"].map({p.name: p.radius for p in particles}).to_numpy(np.float64)
    where = codes(fused["experiment"], sorted(fused["experiment"].unique()))
    reach = np.full(int(where.max(initial=0)) + 1, max((p.radius for p in particles), default=1.0))
    xyz = positions(fused)
    a, b = pairs_within(xyz, where, xyz, where, reach=reach)
    distance = np.linalg.norm(xyz[a] - xyz[b], axis=1)
    same = fused["particle_type"].to_numpy()[a] == fused["particle_type"].to_numpy()[b]
    limit = np.where(same, 1.0, DISTANCE) * np.maximum(radius[a], radius[b])
    beaten = (distance <= limit) & ((sure[b] > sure[a]) | ((sure[b] == sure[a]) & (b < a)))
    strongest = np.ones(len(fused), bool)
    strongest[a[beaten]] = False
    return strongest


def _doubtful(
    own: pd.DataFrame,
    fused: pd.DataFrame,
    sure: NDArray[np.float64],
    particle: Particle,
    particles: Sequence[Particle],
) -> pd.DataFrame:
    """Return the picks of a species that its candidates do not speak for, or those of another speak against."""
    support = _best(own, fused, sure, particle.name, particle.radius)
    rival = np.zeros(len(own))
    name = np.full(len(own), "", object)
    for other in particles:
        if other != particle:
            theirs = _best(own, fused, sure, other.name, DISTANCE * max(particle.radius, other.radius))
            better = theirs > np.maximum(rival, support)
            rival[better], name[better] = theirs[better], other.name
    name[rival < 0.5] = ""
    doubtful = (support < WEAK) | (name != "")
    return own.loc[doubtful, TRUTH_COLUMNS].assign(probability=support[doubtful], instead=name[doubtful])


def _best(
    picks: pd.DataFrame, fused: pd.DataFrame, sure: NDArray[np.float64], name: str, reach: float
) -> NDArray[np.float64]:  # (pick,)
    """Return the probability of the best candidate of a species within reach (Å) of each pick, 0 if there is none."""
    rows = np.flatnonzero((fused["particle_type"] == name).to_numpy())
    pick, row = _pairs(picks, fused.iloc[rows], reach)
    best = np.zeros(len(picks))
    np.maximum.at(best, pick, sure[rows[row]])
    return best


def _within(table: pd.DataFrame, others: pd.DataFrame, reach: float) -> NDArray[np.bool_]:
    """Return which rows have one of the others within reach (Å) in their tomogram."""
    found = np.zeros(len(table), bool)
    found[_pairs(table, others, reach)[0]] = True
    return found


def _pairs(a: pd.DataFrame, b: pd.DataFrame, reach: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of rows of one tomogram within reach (Å)."""
    names = sorted({*a["experiment"], *b["experiment"]})
    group = (codes(a["experiment"], names), codes(b["experiment"], names))
    return pairs_within(positions(a), group[0], positions(b), group[1], reach=np.full(max(1, len(names)), reach))


def _sorted(table: pd.DataFrame, *, ascending: bool) -> pd.DataFrame:
    """Return a list with the most striking first; ties by tomogram and place."""
    by = ["probability", "experiment", "z", "y", "x"]
    return table.sort_values(by, ascending=[ascending, True, True, True, True])[COLUMNS].reset_index(drop=True)
