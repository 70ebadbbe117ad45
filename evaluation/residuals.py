"""Residuals: where a member's sure hits lie, seen from the truth; a constant offset is a mistake of convention."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.matching import DISTANCE, pairs_within, positions
from tomograms.particles import Particle

SIGNIFICANT = 3.0
"""Standard errors beyond which an offset is taken for real."""
SMALLEST = 1.0
"""Å below which an offset is left alone: a sixtieth of the smallest species' radius."""
ENOUGH = 20
"""Hits from which on an offset is judged."""
NEAR = 0.1
"""How near, in voxels, to half a voxel an offset looks like it."""


@dataclass(frozen=True)
class Residuals:
    """One member's sure hits against the truth.

    Attributes
    ----------
    hits
        How many there are, all species.
    offset
        ``(3,)`` mean of candidate minus truth on x, y, z, in Å.
    error
        ``(3,)`` its standard error; inf for fewer than two hits.
    spread
        Species -> root mean square per axis around the offset, in Å; NaN without hits.
    """

    hits: int
    offset: NDArray[np.float64]
    error: NDArray[np.float64]
    spread: Mapping[str, float]

    @property
    def significant(self) -> NDArray[np.bool_]:  # (3,)
        """Whether the offset on each axis is real: `SIGNIFICANT` errors and `SMALLEST` Å from 0, of `ENOUGH` hits."""
        size = np.abs(self.offset)
        return (self.hits >= ENOUGH) & (size > SIGNIFICANT * self.error) & (size > SMALLEST)

    @property
    def correction(self) -> tuple[float, float, float]:
        """What is to be taken from the member's x, y, z, in Å: its offset on the axes where that is significant."""
        x, y, z = np.where(self.significant, self.offset, 0.0)
        return float(x), float(y), float(z)

    def half_voxels(self, voxel_size: float, stride: int) -> list[str]:
        """Return the axes whose significant offset looks like half a voxel of the tomogram or of the network's output.

        Parameters
        ----------
        voxel_size
            Å.
        stride
            Tomogram voxels per output voxel.
        """
        halves = np.array([0.5, 0.5 * stride]) * voxel_size
        like = np.abs(np.abs(self.offset)[:, None] - halves) <= NEAR * voxel_size
        return ["xyz"[axis] for axis in np.flatnonzero(self.significant & like.any(axis=1))]


def measure_residuals(truth: pd.DataFrame, candidates: pd.DataFrame, particles: Sequence[Particle]) -> Residuals:
    """Return the residuals of one member's sure hits.

    Sure: of each species, as many of the best candidates as there are true particles; among fainter ones chance hits
    lie anywhere within the tolerance and say nothing of the member.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å).
    candidates
        Of one member, in the total order.
    particles
        Every species.
    """
    experiments = sorted(truth["experiment"].unique())
    number = {name: index for index, name in enumerate(experiments)}
    found = {}
    for particle in particles:
        true = truth[truth["particle_type"] == particle.name]
        own = candidates[(candidates["particle_type"] == particle.name) & candidates["experiment"].isin(experiments)]
        own = own.sort_values("score", ascending=False, kind="stable").head(len(true))
        a, b = positions(true), positions(own)
        first, second = pairs_within(
            a,
            true["experiment"].map(number).to_numpy(np.int64),
            b,
            own["experiment"].map(number).to_numpy(np.int64),
            reach=np.full(max(len(experiments), 1), DISTANCE * particle.radius),
        )
        found[particle.name] = b[second] - a[first]
    every = np.concatenate([np.empty((0, 3)), *found.values()])
    count = len(every)
    offset = every.mean(axis=0) if count else np.zeros(3)
    error = every.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(3, np.inf)
    spread = {
        name: float(np.sqrt(((own - offset) ** 2).mean())) if len(own) else float("nan") for name, own in found.items()
    }
    return Residuals(count, offset, error, spread)


def shift(candidates: pd.DataFrame, corrections: Mapping[str, tuple[float, float, float]]) -> pd.DataFrame:
    """Return the candidates with each member's correction taken from its positions; other members stay in place."""
    if not any(any(correction) for correction in corrections.values()):
        return candidates
    zero = (0.0, 0.0, 0.0)
    amount = np.array([corrections.get(member, zero) for member in candidates["member"]], np.float64).reshape(-1, 3)
    return candidates.assign(**{axis: candidates[axis] - amount[:, k] for k, axis in enumerate("xyz")})
