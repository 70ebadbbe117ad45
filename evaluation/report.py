"""Rich tables of results: pure functions that take results and return renderables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from evaluation.metric import Counts, score
from tomograms.particles import Particle


def class_table(counts: Mapping[str, Counts], particles: Sequence[Particle], *, title: str) -> Table:
    """Return precision, recall, F4 and counts of each species, and the weighted score.

    Parameters
    ----------
    counts
        By species, experiments pooled.
    particles
        Every species, in the order of the rows.
    title
        Above the table.
    """
    table = Table(title=title)
    table.add_column("particle")
    for name in ("weight", "precision", "recall", "F4", "TP", "FP", "FN", "predicted", "truth"):
        table.add_column(name, justify="right")
    for particle in particles:
        own = counts.get(particle.name, Counts())
        figures = (own.precision, own.recall, own.f_beta)
        numbers = (own.tp, own.fp, own.fn, own.predictions, own.truth)
        table.add_row(particle.name, f"{particle.weight:g}", *(f"{v:.3f}" for v in figures), *map(str, numbers))
    table.add_section()
    table.add_row("weighted", "", "", "", f"{score(counts, particles).total:.3f}")
    return table
