"""Nested scores: what was fitted to picks meets only runs whose picks it has not seen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import pandas as pd

from evaluation.counts import Counts, Score, count, pool, score
from evaluation.folds import Fold
from evaluation.thresholds import apply_thresholds, average_precision, fit_thresholds
from tomograms.errors import InputError
from tomograms.particles import Particle


class Rule(Protocol):
    """What a fit returns: it ranks candidates, and says from which score on they are reported."""

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Each species' threshold on the scores that `apply` gives; none where each tomogram is cut by itself."""
        ...

    def apply(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Return the candidates with the scores that count (they may be fused: other rows than came in)."""
        ...

    def keep(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return those of what `apply` gave that are reported."""
        ...


R = TypeVar("R", bound=Rule)


@dataclass(frozen=True)
class ThresholdRule:
    """Keep what scores at least its species' threshold."""

    thresholds: Mapping[str, float]

    def apply(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Return the candidates as they are."""
        return candidates

    def keep(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the candidates that reach their species' threshold."""
        return apply_thresholds(table, self.thresholds)


@dataclass(frozen=True)
class FoldResult(Generic[R]):
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
    rule: R
    counts: Mapping[str, Mapping[str, Counts]]


@dataclass(frozen=True)
class NestedResult(Generic[R]):
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
        By species: the mean over folds, each weighing as much as it holds true particles. Scores of two folds come from
        two networks, or from rules that were fitted to other runs; a list pooled over folds would measure how well
        their scales agree, which is what the nested score is for.
    """

    particles: tuple[Particle, ...]
    folds: tuple[FoldResult[R], ...]
    optimum_rule: R
    optimum_counts: Mapping[str, Mapping[str, Counts]]
    average_precision: Mapping[str, float]

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
) -> NestedResult[ThresholdRule]:
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

    return nested_fit(fit, truth, candidates, particles=particles, folds=folds)


def nested_fit(
    fit: Callable[[pd.DataFrame, pd.DataFrame], R],
    truth: pd.DataFrame,
    candidates: pd.DataFrame,
    *,
    particles: Sequence[Particle],
    folds: Sequence[Fold],
) -> NestedResult[R]:
    """Return the nested result of anything that is fitted to truth and candidates.

    Held-out candidates are ranked once, by the rule that was fitted without them, and then cut.

    Parameters
    ----------
    fit
        Called once a fold with truth and candidates of the other folds' held-out runs, and once with those of all.
    truth, candidates, particles, folds
        As for `nested`; the candidates may be several members'.

    Raises
    ------
    InputError
        If there are fewer than two folds, or a species is unknown.
    """
    if len(folds) < 2:
        raise InputError(f"expected at least two folds, one to fit and one to test, but got {len(folds)}")
    runs = [run for fold in folds for run in fold.held_out]
    results = []
    held, found = ({particle.name: 0.0 for particle in particles} for _ in range(2))
    for fold in folds:
        others = [run for run in runs if run not in fold.held_out]
        rule = fit(_of(truth, others), _of(candidates, others))
        own, ranked = _of(truth, fold.held_out), rule.apply(_of(candidates, fold.held_out))
        results.append(FoldResult(fold, rule, count(own, rule.keep(ranked), particles)))
        for particle in particles:
            true = int((own["particle_type"] == particle.name).sum())
            held[particle.name] += true
            found[particle.name] += true * average_precision(own, ranked, particle)
    truth, candidates = _of(truth, runs), _of(candidates, runs)
    rule = fit(truth, candidates)
    counts = count(truth, rule.keep(rule.apply(candidates)), particles)
    precision = {name: value / max(held[name], 1) for name, value in found.items()}
    return NestedResult(tuple(particles), tuple(results), rule, counts, precision)


def _of(table: pd.DataFrame, runs: Sequence[str]) -> pd.DataFrame:
    """Return the rows of these experiments."""
    return table[table["experiment"].isin(list(runs))].reset_index(drop=True)
