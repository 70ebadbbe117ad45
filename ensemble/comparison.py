"""Members, baselines and the tuned ensemble under the same nested evaluation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
from optuna.study import Study

from ensemble.baselines import BASELINES, Baseline
from ensemble.ensemble import Ensemble
from ensemble.fitting import fit_alone, fit_ensemble
from ensemble.tuning import Tuning
from evaluation.folds import Fold
from evaluation.intervals import Interval, difference_interval
from evaluation.nested import NestedResult, R, nested_fit
from evaluation.residuals import Residuals, measure_residuals
from tomograms.particles import Particle

TUNED = "ensemble"


@dataclass(frozen=True)
class Comparison:
    """Every nested result of one build.

    Attributes
    ----------
    members
        Each member alone: calibrated and cut as the ensemble is, so that they compare.
    baselines
        Ways of fusing without tuning.
    ensemble
        The tuned one.
    residuals
        Of each member, on all held-out runs.
    """

    members: Mapping[str, NestedResult[Ensemble]]
    baselines: Mapping[str, NestedResult]
    ensemble: NestedResult[Ensemble]
    residuals: Mapping[str, Residuals]

    @property
    def best_member(self) -> str:
        """The member with the highest nested score (on ties the first by name); picking it favours it."""
        return max(sorted(self.members), key=lambda name: self.members[name].score.total)

    @property
    def results(self) -> dict[str, NestedResult]:
        """All results, the ensemble last."""
        return {**self.members, **self.baselines, TUNED: self.ensemble}

    def difference(self, name: str) -> Interval:
        """Return the interval of a result minus the best member, paired over resampled runs."""
        return difference_interval(self.results[name], self.members[self.best_member])

    @property
    def rule(self) -> Ensemble:
        """The ensemble fitted to all runs: what new tomograms get."""
        return self.ensemble.optimum_rule


def compare(
    truth: pd.DataFrame,
    candidates: pd.DataFrame,
    *,
    particles: Sequence[Particle],
    folds: Sequence[Fold],
    tuning: Tuning,
    fitted: Callable[[], None] = lambda: None,
) -> tuple[Comparison, dict[str, Study]]:
    """Return the nested results of everything, and the studies of the ensemble fitted to all runs.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å) of every held-out run.
    candidates
        Out-of-fold candidates, one model per member.
    particles, folds
        The run's.
    tuning
        How much the ensemble tries.
    fitted
        Called after each of the ``len(folds) + 1`` tunings.
    """
    members = sorted(candidates["member"].unique())
    studies: dict[str, Study] = {}

    def tuned(truth: pd.DataFrame, candidates: pd.DataFrame) -> Ensemble:
        studies.clear()  # the last fit is the one to all runs
        rule = fit_ensemble(truth, candidates, particles=particles, members=members, tuning=tuning, studies=studies)
        fitted()
        return rule

    def evaluate(fit: Callable[[pd.DataFrame, pd.DataFrame], R]) -> NestedResult[R]:
        return nested_fit(fit, truth, candidates, particles=particles, folds=folds)

    alone = {member: evaluate(partial(fit_alone, particles=particles, member=member)) for member in members}
    ensemble = evaluate(tuned)
    baselines: dict[str, NestedResult[Ensemble | Baseline]] = {}
    for name, fit in BASELINES.items() if len(members) > 1 else ():
        baselines[name] = evaluate(partial(fit, particles=particles, members=members))
    residuals = {
        member: measure_residuals(truth, candidates[candidates["member"] == member], particles) for member in members
    }
    return Comparison(alone, baselines, ensemble, residuals), studies
