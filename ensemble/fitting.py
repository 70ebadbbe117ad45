"""Fitting an ensemble to truth and out-of-fold candidates: offsets, calibration, weights, radii, cuts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from optuna.study import Study

from ensemble.calibration import Calibration, fit_calibration, label_hits, localisation_variance
from ensemble.clustering import FusionRule, fuse
from ensemble.competition import CompetitionWeights, compete, fit_competition
from ensemble.cut_tuning import fit_cut
from ensemble.ensemble import Ensemble, SpeciesRule, rescore, weigh
from ensemble.points import to_points
from ensemble.tuning import Tuning, equal_rule, tune
from ensemble.tuning_problem import TuningProblem
from evaluation.matching import codes, positions
from evaluation.residuals import measure_residuals, shift
from postproc.candidates import in_order
from tomograms.particles import Particle


def fit_ensemble(
    truth: pd.DataFrame,
    candidates: pd.DataFrame,
    *,
    particles: Sequence[Particle],
    members: Sequence[str],
    tuning: Tuning | None,
    competing: bool = True,
    studies: dict[str, Study] | None = None,
) -> Ensemble:
    """Return the ensemble fitted to these runs.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å) of the tuning runs.
    candidates
        Their out-of-fold candidates, one model per member (see `clustering.average_models`).
    particles
        Every species.
    members
        Names; their order does not matter.
    tuning
        ``None`` for equal weights and the default radius.
    competing
        Whether species compete for places (see `ensemble.competition`).
    studies
        Filled with each species' study of weights and radius, and as ``SPECIES/cut`` that of the cut.
    """
    names = sorted(members)
    candidates = in_order(candidates)  # sums over rows then have one order, and the fit does not depend on that of rows
    corrections = {
        name: measure_residuals(truth, candidates[candidates["member"] == name], particles).correction for name in names
    }
    candidates = shift(candidates, corrections)
    calibrations: dict[str, dict[str, Calibration]] = {}
    fusions: dict[str, FusionRule] = {}
    for particle in particles:
        calibrations[particle.name], variance = measure(truth, candidates, particle, names)
        if tuning is None:
            fusions[particle.name] = equal_rule(names, variance)
            continue
        rows = weigh(candidates, {particle.name: calibrations[particle.name]})
        fusions[particle.name], study = tune(tuning_problem(truth, rows, particle, variance), names, tuning)
        if study is not None and studies is not None:
            studies[particle.name] = study
    fused = fuse(weigh(candidates, calibrations), particles, rules=fusions)
    second = {particle.name: _calibration(truth, fused, particle) for particle in particles}
    scored = rescore(fused, second)
    contests: dict[str, CompetitionWeights] = {}
    if competing:
        contests = fit_competition(truth, scored, particles)
        scored = compete(scored, particles, contests)
    rules = {}
    for particle in particles:
        name, fusion = particle.name, fusions[particle.name]
        cut, study = fit_cut(truth, scored, particle)
        if study is not None and studies is not None:
            studies[f"{name}/cut"] = study
        rules[name] = SpeciesRule(
            fusion.weights,
            fusion.radius_fraction,
            fusion.variance,
            calibrations[name],
            second[name],
            contests.get(name),
            cut,
        )
    return Ensemble(tuple(names), tuple(particles), corrections, rules)


def fit_alone(truth: pd.DataFrame, candidates: pd.DataFrame, *, particles: Sequence[Particle], member: str) -> Ensemble:
    """Return a member as an ensemble of one: calibrated and cut as the ensemble is, so that they compare.

    Parameters
    ----------
    truth, candidates, particles
        As for `fit_ensemble`; candidates of others are left out.
    member
        Its name.
    """
    own = candidates[candidates["member"] == member]
    return fit_ensemble(truth, own, particles=particles, members=[member], tuning=None, competing=False)


def measure(
    truth: pd.DataFrame, candidates: pd.DataFrame, particle: Particle, members: Sequence[str]
) -> tuple[dict[str, Calibration], dict[str, float]]:
    """Return each member's calibration and localisation variance (Å^2) for one species."""
    calibrations, variance = {}, {}
    rows = candidates[candidates["particle_type"] == particle.name]
    for member in members:
        own = rows[rows["member"] == member].reset_index(drop=True)
        score = own["score"].to_numpy(np.float64)
        hits = label_hits(truth, own, particle)
        calibrations[member] = fit_calibration(score, hits.label)
        variance[member] = localisation_variance(hits, calibrations[member](score), particle)
    return calibrations, variance


def tuning_problem(
    truth: pd.DataFrame, weighed: pd.DataFrame, particle: Particle, variance: dict[str, float]
) -> TuningProblem:
    """Return the tuning problem of one species, from candidates with evidence; ``variance`` names the members."""
    experiments = sorted(truth["experiment"].unique())
    own = truth[truth["particle_type"] == particle.name]
    return TuningProblem(
        particle,
        to_points(weighed, members=list(variance), experiments=experiments),
        positions(own),
        codes(own["experiment"], experiments),
        len(experiments),
        np.array(list(variance.values())),
    )


def _calibration(truth: pd.DataFrame, table: pd.DataFrame, particle: Particle) -> Calibration:
    """Return the calibration of one species' evidence in the fused list."""
    rows = table[table["particle_type"] == particle.name].reset_index(drop=True)
    return fit_calibration(rows["score"].to_numpy(np.float64), label_hits(truth, rows, particle).label, logit=False)
