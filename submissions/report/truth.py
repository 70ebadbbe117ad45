"""What the test truth, where it is known, says of a submission: whether the cuts that were fitted out-of-fold hold."""

from collections.abc import Sequence

import pandas as pd
from rich.table import Table

from evaluation.counts import count, pool, score
from evaluation.report import empty_table
from evaluation.thresholds import apply_thresholds, fit_thresholds
from tomograms.particles import Particle


def truth_table(
    truth: pd.DataFrame, fused: pd.DataFrame, kept: pd.DataFrame, particles: Sequence[Particle], *, title: str
) -> Table:
    """Return score, optimum (at the best thresholds for this very truth), gap, and the F4 of every species that counts.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å).
    fused, kept
        All candidates, and those that were submitted.
    particles
        Every species.
    title
        Above the table.
    """
    optimal = apply_thresholds(fused, fit_thresholds(truth, fused, particles))
    ours, best = (score(pool(count(truth, table, particles)), particles) for table in (kept, optimal))
    scored = [particle.name for particle in particles if particle.weight > 0]
    table = empty_table(title, "", ("score", "optimum", "gap", *scored))
    figures = (ours.total, best.total, best.total - ours.total, *(ours.by_type[name] for name in scored))
    table.add_row("submitted", *(f"{value:.3f}" for value in figures))
    return table
