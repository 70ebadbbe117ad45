"""What picks say of a species' cut: one factor on it, from an Optuna study that tries them all.

It is held near 1: a change by a factor e must be worth `WORTH` true particles. For the tuning, the common cut of each
tuning run comes from the other ones, as a new tomogram's does.
"""

import numpy as np
import pandas as pd
from optuna.distributions import FloatDistribution
from optuna.study import Study
from optuna.trial import create_trial

from ensemble.cutting import Cut, expected_cut, relative
from ensemble.tuning import new_study
from evaluation.counts import f_beta
from evaluation.thresholds import sweep
from tomograms.particles import Particle

FACTORS = tuple(float(np.exp(sign * step / 4)) for step in range(9) for sign in ((-1, 1) if step else (1,)))
"""Factors on the cut that are tried, those near 1 first."""
WORTH = 4.0
"""True particles that a factor of e, either way, must gain."""
DIGITS = 12
"""Decimals of a value: what differs by less is equal, and the first factor is taken."""


def fit_cut(truth: pd.DataFrame, table: pd.DataFrame, particle: Particle) -> tuple[Cut, Study | None]:
    """Return how a species is cut: what the runs ask for in common, and the best factor on it, held near 1.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å) of the tuning runs.
    table
        Their fused candidates, scores as probabilities.
    particle
        The species.

    Returns
    -------
    tuple
        Factor 1 and no study where the runs hold none of it, or nothing was found.
    """
    rows = table[table["particle_type"] == particle.name].reset_index(drop=True)
    score, experiment = rows["score"].to_numpy(np.float64), rows["experiment"].to_numpy()
    reached = np.zeros(len(rows))
    for run in np.unique(experiment):
        own = experiment == run
        reached[own] = relative(rows[own], {particle.name: expected_cut(score[~own])})
    curve = sweep(truth, rows.assign(score=reached), particle)
    true = int((truth["particle_type"] == particle.name).sum())
    common = expected_cut(score)
    if not true or not len(curve.threshold):
        return Cut(common, 1.0), None
    tp, fp = curve.counts_at(np.array(FACTORS))
    value = f_beta(tp, tp + fp, true) - WORTH * np.log(FACTORS) ** 2 / true
    study = new_study()
    known = {"factor": FloatDistribution(min(FACTORS), max(FACTORS), log=True)}
    for factor, gained in zip(FACTORS, value, strict=True):
        study.add_trial(
            create_trial(params={"factor": factor}, distributions=known, value=round(float(gained), DIGITS))
        )
    return Cut(common, float(study.best_params["factor"])), study
