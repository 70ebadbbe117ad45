"""Which of a tomogram's fused candidates are reported: those that the expected F-beta asks for.

With calibrated probabilities p, keeping the k likeliest candidates of a species has the expected counts tp = sum of the
first k, and true particles T = sum of all. So F = (1 + b^2) tp / (b^2 T + k) is expected, and it is highest where
every candidate with p >= F / (1 + b^2) is kept (Lipton, Elkan and Naryanaswamy 2014).

Probabilities are as wrong as their calibration is, and a tomogram may differ from those that it was fitted to: where a
species is rarer or harder, all of its probabilities are too high, and the tomogram's own cut rises with them. But few
candidates make that cut uncertain. So the cut lies between the tomogram's own and the one that all tuning runs
together have, nearer to its own the more particles it is expected to hold. No pick is needed: new tomograms are cut as
those of the folds are.

What picks say of cuts is one factor a species; see `ensemble.cut_tuning`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.counts import BETA
from evaluation.matching import codes

TRUST = 10.0
"""Expected particles at which a tomogram's own cut and the common one count alike."""
SURE = 1 / (1 + BETA**2)
"""The cut where every candidate is sure: no cut is higher."""


@dataclass(frozen=True)
class Cut:
    """How one species is cut.

    Attributes
    ----------
    common
        The cut that the tuning runs together ask for, a probability.
    factor
        What their picks make of the cut of each tomogram.
    """

    common: float
    factor: float


def expected_cut(probability: NDArray[np.float64]) -> float:
    """Return the lowest probability that is worth reporting: the highest expected F-beta by 1 + beta^2.

    Parameters
    ----------
    probability
        ``(n,)`` calibrated, of one species. `SURE` where there are none, or all are 0.
    """
    ordered = np.sort(probability)[::-1]
    if not ordered.any():
        return SURE
    found = np.cumsum(ordered)
    expected = (1 + BETA**2) * found / (BETA**2 * found[-1] + np.arange(1, len(found) + 1))
    return float(expected.max() / (1 + BETA**2))


def tomogram_cut(probability: NDArray[np.float64], common: float) -> float:
    """Return one tomogram's cut: the geometric mean of its own and the common one, weighted by what it may hold.

    Parameters
    ----------
    probability
        ``(n,)`` calibrated, of one species in one tomogram.
    common
        What the tuning runs ask for.
    """
    particles = float(probability.sum())
    own = np.log(expected_cut(probability))
    return float(np.exp((particles * own + TRUST * np.log(common)) / (particles + TRUST)))


def relative(table: pd.DataFrame, common: Mapping[str, float]) -> NDArray[np.float64]:  # (rows,)
    """Return each candidate's probability by the cut of its species in its tomogram.

    Parameters
    ----------
    table
        All candidates of whole tomograms, ``experiment, particle_type, score`` (a probability).
    common
        By species; what has none is never worth reporting.
    """
    score = table["score"].to_numpy(np.float64)
    out = np.zeros(len(table))
    names = [name for name in sorted(table["particle_type"].unique()) if name in common]
    species = codes(table["particle_type"], names)
    experiment = codes(table["experiment"], sorted(table["experiment"].unique()))
    for label, name in enumerate(names):
        own = np.flatnonzero(species == label)
        for one in np.unique(experiment[own]):
            rows = own[experiment[own] == one]
            out[rows] = score[rows] / tomogram_cut(score[rows], common[name])
    return out


def keep(table: pd.DataFrame, cuts: Mapping[str, Cut]) -> pd.DataFrame:
    """Return the candidates that reach their tomogram's cut times their species' factor.

    Parameters
    ----------
    table
        As for `relative`; whole tomograms, since a cut depends on all candidates of its species.
    cuts
        By species; one without is dropped.
    """
    limit = table["particle_type"].map({name: cut.factor for name, cut in cuts.items()})
    reached = relative(table, {name: cut.common for name, cut in cuts.items()})
    return table[reached >= limit.to_numpy(np.float64, na_value=np.inf)].reset_index(drop=True)
