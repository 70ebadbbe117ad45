"""How frequent a species is in a tomogram, and what that makes of each of its candidates.

Scores that are used without training were calibrated on tomograms of every kind: most hold a few species, some none. So
a calibrated probability is a mean over tomograms with the species and without it. Were the share of hits among a
tomogram's candidates known, the odds of each of them would change in proportion (prior shift: Saerens, Latinne and
Decaestecker 2002). The probabilities of the other candidates estimate that share. How far the estimate is to be
believed is learned, as an exponent.

The folds of one data set are alike, and there nothing is gained. It serves weights that are used as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.calibration import DECIMALS, label_hits
from ensemble.competition import to_odds
from ensemble.cutting import SURE
from ensemble.logistic import fit_logistic
from evaluation.matching import codes
from postproc.candidates import in_order
from tomograms.errors import InputError
from tomograms.files import read_json
from tomograms.particles import Particle

SEEN = 0.003
"""Probability from which on a candidate counts: how many there are below tells of noise and not of the species."""
DOUBT = 10.0
"""Candidates that are counted besides those seen. Of these the share `SURE` are hits, the least worth reporting: a
species is taken to be absent until its candidates say otherwise."""
PRIOR = (1.0, 1.0)
"""Mean of what multiplies a candidate's own log-odds and the log share: theory has both as they are."""
SPREAD = (0.1, 1.0)
"""Prior standard deviations: own log-odds are calibrated. Of a species' constant, whose mean is 0, it is 1."""
KEY = "abundance"
"""Its place in ``ensemble.json``."""
COEFFICIENT_DECIMALS = 6
"""Coefficients are rounded, so that another machine's exp and log give the same tables."""


@dataclass(frozen=True)
class Abundance:
    """What a tomogram's share of hits makes of probabilities.

    Log-odds become ``own`` times what they are, plus ``exponent`` x log of the estimated share, plus the species'
    ``constant``.

    Attributes
    ----------
    own, exponent
        At least 0.
    constant
        By species.
    """

    own: float
    exponent: float
    constant: Mapping[str, float]

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return fused candidates with changed probabilities, in the total order.

        Parameters
        ----------
        table
            All fused candidates of whole tomograms, scores as probabilities.
        """
        constant = table["particle_type"].map(self.constant).to_numpy(np.float64)
        score = table["score"].to_numpy(np.float64)
        value = self.own * np.log(to_odds(score)) + self.exponent * log_share(table) + constant
        changed = np.round(np.exp(-np.logaddexp(0.0, -value)), DECIMALS)
        return in_order(table.assign(score=changed))

    def to_record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Abundance:
        """Return what `to_record` wrote, exactly."""
        constant = {name: float(value) for name, value in record["constant"].items()}
        return cls(float(record["own"]), float(record["exponent"]), constant)


def load_abundance(path: Path) -> Abundance | None:
    """Return what an ``ensemble.json`` says of it; ``None`` where that says nothing, as after `ensemble.build`.

    Raises
    ------
    InputError
        If it is damaged.
    """
    record = read_json(path).get(KEY)
    try:
        return None if record is None else Abundance.from_record(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: expected {KEY} as submissions.calibrate writes it, but got {error!r}") from None


def log_share(table: pd.DataFrame) -> NDArray[np.float64]:  # (rows,)
    """Return for each candidate the log of the share of hits among the others of its species in its tomogram.

    Parameters
    ----------
    table
        ``experiment, particle_type, score`` (a probability) of whole tomograms.
    """
    score = table["score"].to_numpy(np.float64)
    species = codes(table["particle_type"], sorted(table["particle_type"].unique()))
    place = codes(table["experiment"], sorted(table["experiment"].unique()))
    group = place * (species.max(initial=0) + 1) + species
    seen = (score >= SEEN).astype(np.float64)
    hits = np.bincount(group, score)[group] - score
    number = np.bincount(group, seen)[group] - seen
    return np.log((hits + DOUBT * SURE) / (number + DOUBT))


def fit_abundance(truth: pd.DataFrame, table: pd.DataFrame, particles: Sequence[Particle]) -> Abundance:
    """Return what the share of hits is worth, learned from which candidates are hits.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å) of tomograms in some of which species are missing.
    table
        Their fused candidates, scores as probabilities, in the total order.
    particles
        Every species.
    """
    names = table["particle_type"].to_numpy(object)
    hit = np.zeros(len(table), bool)
    kinds = np.zeros((len(table), len(particles)))
    for label, particle in enumerate(particles):
        rows = np.flatnonzero(names == particle.name)
        hit[rows] = label_hits(truth, table.iloc[rows].reset_index(drop=True), particle).label
        kinds[rows, label] = 1.0
    if not hit.any() or hit.all():
        return Abundance(1.0, 0.0, {particle.name: 0.0 for particle in particles})
    own = np.log(to_odds(table["score"].to_numpy(np.float64)))
    coefficients, intercept = fit_logistic(
        np.column_stack([own, log_share(table), kinds]),
        hit,
        prior=np.array([*PRIOR, *np.zeros(len(particles))]),
        precision=np.diag([*(1 / np.square(SPREAD)), *np.ones(len(particles))]),
        least=np.array([0.0, 0.0, *np.full(len(particles), -np.inf)]),
    )
    constants = np.round(coefficients[2:] + intercept, COEFFICIENT_DECIMALS).tolist()
    slope, exponent = np.round(coefficients[:2], COEFFICIENT_DECIMALS).tolist()
    return Abundance(slope, exponent, {p.name: constant for p, constant in zip(particles, constants, strict=True)})
