"""Nested scores: what was fitted to picks meets only runs whose picks it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from evaluation.folds import Fold
from evaluation.metric import Counts, Score, average_precision, count, pool, score
from evaluation.thresholds import apply_thresholds, fit_thresholds
from tomograms.errors import InputError
from tomograms.particles import Particle

if TYPE_CHECKING:
    import pandas as pd


class Rule(Protocol):
    """What a fit returns: it turns candidates into the ones that are reported."""

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Each species' threshold, for the report."""
        ...

    def __call__(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Return the candidates that are kept (they may be fused: other rows than came in)."""
        ...


Fit = Callable[["pd.DataFrame", "pd.DataFrame"], Rule]
"""Takes truth and candidates of the tuning runs."""


@dataclass(frozen=True)
class ThresholdRule:
    """Keep what scores at least its species' threshold."""

    thresholds: Mapping[str, float]

    def __call__(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Return the candidates that are kept."""
        return apply_thresholds(candidates, self.thresholds)


@dataclass(frozen=True)
class FoldResult:
    """One fold's held-out runs under a rule that was fitted without them.

    Attributes
    ----------
    fold
        Its held-out runs are scored; its training runs do not matter here.
    rule
        Fitted on the held-out runs of all other folds.
    counts
        Experiment -> species -> counts, of the held-out runs.
    """

    fold: Fold
    rule: Rule
    counts: Mapping[str, Mapping[str, Counts]]


@dataclass(frozen=True)
class NestedResult:
    """Honest counts of every fold, and the optimum that they fall short of.

    Attributes
    ----------
    particles
        Every species.
    folds
        One result a fold.
    optimum_rule
        Fitted on the held-out runs of all folds: what is used on new tomograms.
    optimum_counts
        Experiment -> species -> counts under it, in-sample.
    average_precision
        By species (see `precision_by_fold`); empty where candidates have no comparable scores.
    """

    particles: tuple[Particle, ...]
    folds: tuple[FoldResult, ...]
    optimum_rule: Rule
    optimum_counts: Mapping[str, Mapping[str, Counts]]
    average_precision: Mapping[str, float] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, Mapping[str, Counts]]:
        """Experiment -> species -> nested counts, of all folds."""
        return {experiment: counts for fold in self.folds for experiment, counts in fold.counts.items()}

    @property
    def pooled(self) -> dict[str, Counts]:
        """Species -> nested counts, added over experiments."""
        return pool(self.counts)

    @property
    def score(self) -> Score:
        """The nested score: pooled counts, then F."""
        return score(self.pooled, self.particles)

    @property
    def optimum(self) -> Score:
        """The score of the rule fitted on the same runs."""
        return score(pool(self.optimum_counts), self.particles)

    @property
    def gap(self) -> float:
        """Optimum minus nested score."""
        return self.optimum.total - self.score.total


def nested(
    truth: pd.DataFrame, candidates: pd.DataFrame, particles: Sequence[Particle], folds: Sequence[Fold]
) -> NestedResult:
    """Return the nested result of thresholds: each fold's are fitted on the other folds' held-out runs.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å), every species and held-out run.
    candidates
        Out-of-fold candidates of one member and one seed.
    particles
        Every species.
    folds
        At least two.

    Raises
    ------
    InputError
        If there are fewer than two folds, or a species is unknown.
    """

    def fit(truth: pd.DataFrame, candidates: pd.DataFrame) -> ThresholdRule:
        return ThresholdRule(fit_thresholds(truth, candidates, particles))

    precision = precision_by_fold(truth, [_of(candidates, fold.held_out) for fold in folds], particles, folds)
    return nested_fit(fit, truth, candidates, particles=particles, folds=folds, average_precision=precision)


def nested_fit(
    fit: Fit,
    truth: pd.DataFrame,
    candidates: pd.DataFrame,
    *,
    particles: Sequence[Particle],
    folds: Sequence[Fold],
    average_precision: Mapping[str, float] | None = None,
) -> NestedResult:
    """Return the nested result of anything that is fitted to truth and candidates.

    Parameters
    ----------
    fit
        Called once a fold with truth and candidates of the other folds' held-out runs, and once with those of all.
    truth, candidates, particles, folds
        As for `nested`; the candidates may be several members'.
    average_precision
        By species, for the report.

    Raises
    ------
    InputError
        If there are fewer than two folds, or a species is unknown.
    """
    if len(folds) < 2:
        raise InputError(f"expected at least two folds, one to fit and one to test, but got {len(folds)}")
    runs = [run for fold in folds for run in fold.held_out]
    results = []
    for fold in folds:
        others = [run for run in runs if run not in fold.held_out]
        rule = fit(_of(truth, others), _of(candidates, others))
        kept = rule(_of(candidates, fold.held_out))
        results.append(FoldResult(fold, rule, count(_of(truth, fold.held_out), kept, particles)))
    truth, candidates = _of(truth, runs), _of(candidates, runs)
    rule = fit(truth, candidates)
    counts = count(truth, rule(candidates), particles)
    return NestedResult(tuple(particles), tuple(results), rule, counts, dict(average_precision or {}))


def precision_by_fold(
    truth: pd.DataFrame, ranked: Sequence[pd.DataFrame], particles: Sequence[Particle], folds: Sequence[Fold]
) -> dict[str, float]:
    """Return each species' average precision: the mean over folds, each weighing as much as it holds true particles.

    Scores of two folds come from two networks, or from rules that were fitted to other runs; a list pooled over folds
    would measure how well their scales agree, which is what the nested score is for.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å), every species and held-out run.
    ranked
        For each fold the candidates of its held-out runs, with scores.
    particles
        Every species; one without truth has 0.
    folds
        As many as lists.
    """
    names = [particle.name for particle in particles]
    held, found = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    for fold, candidates in zip(folds, ranked, strict=True):
        own = _of(truth, fold.held_out)
        for particle in particles:
            true = int((own["particle_type"] == particle.name).sum())
            held[particle.name] += true
            found[particle.name] += true * average_precision(own, candidates, particle)
    return {name: found[name] / max(held[name], 1) for name in names}


def _of(table: pd.DataFrame, runs: Sequence[str]) -> pd.DataFrame:
    """Return the rows of these experiments."""
    return table[table["experiment"].isin(list(runs))].reset_index(drop=True)
