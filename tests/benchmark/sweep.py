"""Stage ``sweep``: every species' best threshold, exactly, against a grid of 90 thresholds with KD-trees."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from evaluation.thresholds import fit_thresholds
from tests.benchmark.measure import interleave
from tests.benchmark.metric import f_beta, tree_counts
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import Scale
from tests.benchmark.scenes import scored
from tomograms.particles import CZII

SECONDS = 0.050


def grid_thresholds(truth: pd.DataFrame, candidates: pd.DataFrame, grid: np.ndarray) -> dict[str, float]:
    """Return each species' best threshold of a grid, the metric taken anew for each."""
    best = {}
    for particle in CZII:
        rows = candidates[candidates["particle_type"] == particle.name]
        scores = [f_beta(*tree_counts(truth, rows[rows["score"] >= t], particle)) for t in grid]
        best[particle.name] = float(grid[int(np.argmax(scores))])
    return best


def f_at(truth: pd.DataFrame, candidates: pd.DataFrame, thresholds: Mapping[str, float]) -> dict[str, float]:
    """Return each species' F-beta at its threshold, by KD-tree."""
    values = {}
    for particle in CZII:
        rows = candidates[candidates["particle_type"] == particle.name]
        kept = rows[rows["score"] >= thresholds[particle.name]]
        values[particle.name] = f_beta(*tree_counts(truth, kept, particle))
    return values


def run(scale: Scale) -> list[Row]:
    """Return the row."""
    runs, per_species, candidates = scale.pick((7, 100, 3000), (2, 5, 60))
    grid = np.linspace(0.05, 0.95, scale.pick(90, 7))
    truth, table = scored(runs, per_species, candidates)
    times, results = interleave(
        {"ours": lambda: fit_thresholds(truth, table, CZII), "grid": lambda: grid_thresholds(truth, table, grid)},
        repeats=scale.pick(11, 2),
        most=90,
    )
    exact, coarse = (f_at(truth, table, results[name]) for name in ("ours", "grid"))
    gains = [exact[name] - coarse[name] for name in exact]
    return [
        Row(
            "sweep",
            f"{len(CZII)} species, {len(table)} candidates, every distinct score",
            times["ours"],
            times["grid"],
            f"grid of {len(grid)} thresholds",
            floors=(Limit("seconds", times["ours"].wall, SECONDS),),
            checks=(Limit("least gain in F-beta over the grid", min(gains), 0.0, at_least=True),),
            notes={"largest gain in F-beta over the grid": max(gains)},
        )
    ]
