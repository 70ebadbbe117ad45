"""What the test truth, where it is known, says of a submission: whether out-of-fold thresholds still hold."""

from collections.abc import Mapping, Sequence

import pandas as pd
from rich.table import Table

from evaluation.counts import Score, count, pool, score
from evaluation.report import empty_table
from evaluation.thresholds import apply_thresholds, fit_thresholds
from tomograms.particles import Particle


def score_at(
    truth: pd.DataFrame, fused: pd.DataFrame, thresholds: Mapping[str, float], particles: Sequence[Particle]
) -> Score:
    """Return the score of candidates that are cut at these thresholds.

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
    return score(pool(count(truth, apply_thresholds(fused, thresholds), particles)), particles)


def truth_table(
    truth: pd.DataFrame,
    fused: pd.DataFrame,
    thresholds: Mapping[str, float],
    particles: Sequence[Particle],
    *,
    title: str,
) -> Table:
    """Return score, optimum (at the best thresholds for this very truth), gap, and the F4 of every species that counts.

    Parameters
    ----------
    truth, fused, thresholds, particles
        See `score_at`.
    title
        Above the table.
    """
    kept, best = (
        score_at(truth, fused, limits, particles) for limits in (thresholds, fit_thresholds(truth, fused, particles))
    )
    scored = [particle.name for particle in particles if particle.weight > 0]
    table = empty_table(title, "", ("score", "optimum", "gap", *scored))
    figures = (kept.total, best.total, best.total - kept.total, *(kept.by_type[name] for name in scored))
    table.add_row("submitted", *(f"{value:.3f}" for value in figures))
    return table
