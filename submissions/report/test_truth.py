"""What the test truth, where it is known, says of a submission: whether out-of-fold thresholds still hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from rich.table import Table

from evaluation.counts import Counts, Score, count, pool, score
from evaluation.thresholds import apply_thresholds, fit_thresholds
from tomograms.particles import Particle


@dataclass(frozen=True)
class Comparison:
    """One way of scoring candidates, met with the test truth.

    Attributes
    ----------
    counts
        By species, at the thresholds that were fitted out-of-fold.
    kept, optimum
        The score there, and at the best thresholds for this very truth.
    """

    counts: Mapping[str, Counts]
    kept: Score
    optimum: Score

    @property
    def gap(self) -> float:
        """What other thresholds would have given."""
        return self.optimum.total - self.kept.total


def compare(
    truth: pd.DataFrame, fused: pd.DataFrame, thresholds: Mapping[str, float], particles: Sequence[Particle]
) -> Comparison:
    """Return the score of fused candidates at given thresholds and at the optimum.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å).
    fused
        Candidates before any threshold.
    thresholds
        By species.
    particles
        Every species.
    """

    def at(limits: Mapping[str, float]) -> dict[str, Counts]:
        return pool(count(truth, apply_thresholds(fused, limits), particles))

    counts = at(thresholds)
    best = at(fit_thresholds(truth, fused, particles))
    return Comparison(counts, score(counts, particles), score(best, particles))


def score_table(rows: Mapping[str, Comparison], particles: Sequence[Particle], *, title: str) -> Table:
    """Return one row per way of scoring: score, optimum, gap, and the F4 of every species that counts."""
    table = Table(title=title)
    table.add_column("averaged scores")
    scored = [particle.name for particle in particles if particle.weight > 0]
    for name in ("score", "optimum", "gap", *scored):
        table.add_column(name, justify="right")
    for label, row in rows.items():
        figures = (row.kept.total, row.optimum.total, row.gap, *(row.kept.by_type[name] for name in scored))
        table.add_row(label, *(f"{value:.3f}" for value in figures))
    return table
