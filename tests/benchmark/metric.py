"""Stage ``metric``: the competition's score, against KD-tree loops over experiments and species."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from evaluation.metric import kaggle_score
from tests.benchmark.measure import interleave
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import Scale
from tests.benchmark.scenes import scored
from tomograms.particles import CZII, Particle

SECONDS = 0.030


def tree_counts(truth: pd.DataFrame, predictions: pd.DataFrame, particle: Particle) -> tuple[int, int, int]:
    """Return tp, fp, fn of one species, one KD-tree an experiment."""
    tp = fp = fn = 0
    for experiment in truth["experiment"].unique():
        true, found = (
            t.loc[(t["experiment"] == experiment) & (t["particle_type"] == particle.name), ["x", "y", "z"]].to_numpy()
            for t in (truth, predictions)
        )
        hit: set[int] = set()
        if len(true) and len(found):
            for near in KDTree(true).query_ball_point(found, r=0.5 * particle.radius):
                hit.update(near)
        tp, fp, fn = tp + len(hit), fp + len(found) - len(hit), fn + len(true) - len(hit)
    return tp, fp, fn


def f_beta(tp: int, fp: int, fn: int) -> float:
    """Return F-beta for beta 4."""
    return 17 * tp / (17 * tp + 16 * fn + fp) if tp else 0.0


def tree_score(truth: pd.DataFrame, predictions: pd.DataFrame) -> float:
    """Return the score as the official code goes about it."""
    total = sum(particle.weight * f_beta(*tree_counts(truth, predictions, particle)) for particle in CZII)
    return total / sum(particle.weight for particle in CZII)


def run(scale: Scale) -> list[Row]:
    """Return the row."""
    runs, per_species, candidates = scale.pick((7, 100, 3000), (2, 5, 60))
    truth, table = scored(runs, per_species, candidates)
    times, results = interleave(
        {"ours": lambda: kaggle_score(truth, table, CZII).total, "trees": lambda: tree_score(truth, table)},
        repeats=scale.pick(21, 2),
    )
    return [
        Row(
            "metric",
            f"{runs} runs, {len(truth)} true particles, {len(table)} candidates",
            times["ours"],
            times["trees"],
            "KD-tree loops",
            floors=(Limit("seconds", times["ours"].wall, SECONDS),),
            checks=(Limit("difference of the scores", float(np.abs(results["ours"] - results["trees"])), 1e-12),),
            notes={"score": results["ours"]},
        )
    ]
