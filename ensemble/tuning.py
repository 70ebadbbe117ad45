"""Tuning: each species is its own small Optuna study over member weights and cluster radius.

The start is what stacking learned (`ensemble.stacking`); trials change it by factors. A trial's threshold is found
exactly by a sweep. Where the whole grid has at most as many points as there are trials, each point is tried once;
otherwise TPE proposes. Studies run in memory and can be stored afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import Trial

from ensemble.clustering import FusionRule
from ensemble.stacking import stacked_weights
from ensemble.tuning_problem import Sweep, TuningProblem

LEVELS = (0.0, 0.25, 0.5, 1.0)
"""Factors on the stacked weights that are tried: only ratios count, so halving steps, and 0 drops the member."""
FRACTIONS = (0.5, 0.75, 1.0)
"""Cluster radii that are tried, in particle radii. Below half a radius, the metric's own tolerance, two members' views
of one particle stay apart as duplicates; above one radius true neighbours of a species are near."""
DEFAULT_FRACTION = 0.75
CAUTION = 1.0
"""Standard errors that a gain over the default rule loses before it counts: the one-standard-error rule."""
PICKS = 1.0
"""True particles that a gain must be worth besides: the best of many rules finds as many by luck."""


@dataclass(frozen=True)
class Tuning:
    """How much is tried.

    Attributes
    ----------
    trials
        Per species and fit.
    seed
        Of TPE.
    """

    trials: int = 100
    seed: int = 8620


def equal_rule(members: Sequence[str], variance: Mapping[str, float]) -> FusionRule:
    """Return equal weights and the default radius."""
    return FusionRule(dict.fromkeys(members, 1.0), DEFAULT_FRACTION, dict(variance))


@dataclass(frozen=True)
class Objective:
    """What tuning maximises: a cautious F-beta.

    With few runs the rule that is best on them owes much to luck, so a rule must beat the default (stacked weights, the
    default radius) beyond it: its value is F-beta at its best threshold, minus `CAUTION` standard errors (jackknife
    over runs) of its difference to the default, minus what `PICKS` true particles are worth. The default loses neither.

    Attributes
    ----------
    default
        ``(runs,)`` best F-beta of the default rule without each run.
    """

    default: NDArray[np.float64]

    @classmethod
    def of(cls, default: Sweep) -> Objective:
        """Return the objective, given the default rule's sweep."""
        return cls(_without_each(default))

    def __call__(self, sweep: Sweep, *, is_default: bool) -> float:
        """Return the value of a rule's sweep."""
        runs = len(self.default)
        best = float(_best(sweep, np.ones((1, runs)))[0])
        if is_default:
            return best
        lead = _without_each(sweep) - self.default
        error = float(np.sqrt((runs - 1) / runs * ((lead - lead.mean()) ** 2).sum()))
        return best - CAUTION * error - PICKS / max(int(sweep.truth.sum()), 1)


def _without_each(sweep: Sweep) -> NDArray[np.float64]:  # (runs,)
    return _best(sweep, 1.0 - np.eye(len(sweep.truth)))


def _best(sweep: Sweep, multiplicity: NDArray[np.float64]) -> NDArray[np.float64]:  # (draw, runs) -> (draw,)
    """Return the highest F-beta over thresholds; 0 where nothing is hit."""
    return sweep.f_beta(multiplicity).max(axis=1, initial=0.0)


def grid_size(members: int) -> int:
    """Return how many points `grid` has, without making them: nine members have 727,365."""
    weights = len(LEVELS) ** members - (len(LEVELS) - 1) ** members  # those whose largest factor is 1
    return (weights - members) * len(FRACTIONS) + members  # a single member has no radius to choose


def grid(members: Sequence[str]) -> Iterator[dict[str, float]]:
    """Yield every distinct trial, all factors 1 and the default radius first.

    The largest factor is 1, since only ratios count, and a single member has no radius to choose.
    """
    fractions = sorted(FRACTIONS, key=lambda fraction: (abs(fraction - DEFAULT_FRACTION), fraction))
    for weights in product(sorted(LEVELS, reverse=True), repeat=len(members)):
        if max(weights) == max(LEVELS):
            for fraction in fractions if np.count_nonzero(weights) > 1 else fractions[:1]:
                yield {**{f"weight_{m}": v for m, v in zip(members, weights, strict=True)}, "radius": fraction}


def new_study(seed: int = 0) -> Study:
    """Return an empty study in memory, of a value that is to be as high as it can be; the seed is TPE's."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))


def tune(problem: TuningProblem, members: Sequence[str], tuning: Tuning) -> tuple[FusionRule, Study | None]:
    """Return the best rule of one species, and the study that found it.

    Parameters
    ----------
    problem
        The tuning runs.
    members
        Sorted names, as ``problem.points.member`` numbers them.
    tuning
        How much is tried.

    Returns
    -------
    tuple
        Equal weights, the default radius and no study where the tuning runs have no true particle or no candidate.
    """
    variance = {member: float(v) for member, v in zip(members, problem.variance, strict=True)}
    if not len(problem.points) or not len(problem.truth_position):
        return equal_rule(members, variance), None
    base = stacked_weights(*problem.findings(DEFAULT_FRACTION))
    objective = Objective.of(problem.sweep(base, DEFAULT_FRACTION))
    known: dict[tuple[float, ...], float] = {}

    def scaled(levels: Sequence[float]) -> NDArray[np.float64]:
        weight = np.array(levels) * base
        return weight / (weight.max() or 1.0)

    def evaluate(trial: Trial) -> float:
        levels = [float(trial.suggest_categorical(f"weight_{member}", LEVELS)) for member in members]
        fraction = float(trial.suggest_categorical("radius", FRACTIONS))
        weight = scaled(levels)
        if not weight.any():
            raise optuna.TrialPruned("every weight is 0")
        key = (*weight, fraction if np.count_nonzero(weight) > 1 else DEFAULT_FRACTION)
        if key not in known:
            is_default = bool((weight == base).all()) and key[-1] == DEFAULT_FRACTION
            known[key] = objective(problem.sweep(weight, key[-1]), is_default=is_default)
        return known[key]

    study = new_study(tuning.seed)
    points = grid_size(len(members))
    whole = points <= tuning.trials
    for point in islice(grid(members), points if whole else 1):
        study.enqueue_trial(point)
    study.optimize(evaluate, n_trials=points if whole else tuning.trials)
    best = study.best_trial.params
    weights = dict(zip(members, scaled([best[f"weight_{member}"] for member in members]).tolist(), strict=True))
    return FusionRule(weights, float(best["radius"]), variance), study
