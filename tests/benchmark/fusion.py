"""Stage ``fusion``: a test set's candidates become one list, against a greedy loop with KD-trees; nested tuning."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ensemble.clustering import fuse
from ensemble.ensemble import Ensemble, weigh
from ensemble.fitting import fit_ensemble
from ensemble.tuning import Tuning
from evaluation.folds import Fold
from evaluation.nested import nested_fit
from tests.benchmark.measure import interleave, once
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import Scale
from tests.benchmark.scenes import scored
from tomograms.particles import CZII

SECONDS, TUNING_SECONDS = 10.0, 180.0
MEMBERS = ("a", "b")


def two_members(runs: int, per_species: int, candidates: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return truth, and candidates of two members that see the same with errors of their own."""
    truth, table = scored(runs, per_species, candidates, seed)
    rng = np.random.default_rng(seed)
    other = {axis: table[axis] + rng.normal(0, 10, len(table)) for axis in "xyz"}
    score = np.clip(table["score"] + rng.normal(0, 0.1, len(table)), 0.001, 0.999)
    tables = [table.assign(member="a", model="one"), table.assign(member="b", model="one", score=score, **other)]
    return truth, pd.concat(tables, ignore_index=True)


def greedy(weighed: pd.DataFrame, ensemble: Ensemble) -> dict[str, NDArray[np.float64]]:  # species -> (n, 4)
    """Return x, y, z and score of every cluster, found seed by seed, with a KD-tree a tomogram and species."""
    found: dict[str, list[NDArray[np.float64]]] = {particle.name: [] for particle in CZII}
    for particle in CZII:
        rule = ensemble.rules[particle.name]
        radius = rule.radius_fraction * particle.radius
        total = sum(rule.weights.values())
        for _, rows in weighed[weighed["particle_type"] == particle.name].groupby("experiment"):
            rows = rows.sort_values(["score", "z", "y", "x", "member"], ascending=[False, True, True, True, True])
            xyz, score, member = (rows[columns].to_numpy() for columns in (["x", "y", "z"], "score", "member"))
            near = cKDTree(xyz).query_ball_point(xyz, radius)
            free = np.ones(len(xyz), bool)
            for seed in range(len(xyz)):
                if not free[seed]:
                    continue
                free[seed] = False
                chosen = [seed]
                for name in MEMBERS:
                    others = [i for i in near[seed] if free[i] and member[i] == name != member[seed]]
                    if others:
                        closeness = [score[i] * (1 - np.sum((xyz[i] - xyz[seed]) ** 2) / radius**2) for i in others]
                        chosen.append(others[int(np.argmax(closeness))])
                        free[chosen[-1]] = False
                vote = np.array([rule.weights[member[i]] * score[i] for i in chosen])
                share = vote / np.array([rule.variance[member[i]] for i in chosen])
                centre = (share @ xyz[chosen] / share.sum()) if share.sum() > 0 else xyz[seed]
                found[particle.name].append(np.array([*centre, vote.sum() / total]))
    return {name: np.array(rows).reshape(-1, 4) for name, rows in found.items()}


def largest_difference(ours: pd.DataFrame, theirs: dict[str, NDArray[np.float64]]) -> float:
    """Return the largest difference of a position (Å) or score; infinite where the numbers of clusters differ."""
    worst = 0.0
    for name, other in theirs.items():
        own = ours.loc[ours["particle_type"] == name, ["x", "y", "z", "score"]].to_numpy()
        if len(own) != len(other):
            return float("inf")
        own, other = (rows[np.lexsort(np.round(rows, 6).T)] for rows in (own, other))
        worst = max(worst, float(np.abs(own - other).max(initial=0.0)))
    return worst


def run(scale: Scale) -> list[Row]:
    """Return a row for fusing a test set, and one for tuning on seven runs, nested."""
    runs, per_species, candidates = scale.pick((7, 50, 2000), (3, 4, 60))
    truth, table = two_members(runs, per_species, candidates, seed=1)
    fit = partial(fit_ensemble, particles=CZII, members=MEMBERS)
    ensemble = fit(truth, table, tuning=None)
    _, test = two_members(scale.pick(500, 3), per_species, candidates, seed=2)
    weighed = weigh(test, {name: rule.calibration for name, rule in ensemble.rules.items()})
    ways = {"ours": lambda: ensemble.predict(test), "greedy": lambda: greedy(weighed, ensemble)}
    times, results = interleave(ways, repeats=scale.pick(3, 1), most=60)
    clusters = fuse(weighed, CZII, rules=ensemble.rules)

    names = sorted(truth["experiment"].unique())
    folds = [Fold((name,), tuple(other for other in names if other != name)) for name in names]
    tuned, nested = once(lambda: nested_fit(partial(fit, tuning=Tuning()), truth, table, particles=CZII, folds=folds))
    return [
        Row(
            "fusion",
            f"{test['experiment'].nunique()} tomograms, {len(test)} candidates of two members: calibrated, clustered, "
            "competing, cut",
            times["ours"],
            times["greedy"],
            "KD-tree and greedy loop, clustering alone",
            floors=(Limit("seconds", times["ours"].wall, SECONDS),),
            checks=(Limit("largest difference of a cluster", largest_difference(clusters, results["greedy"]), 1e-6),),
        ),
        Row(
            "fusion: nested tuning",
            f"{runs} runs, {len(table)} candidates of two members, a study a species and fold",
            tuned,
            floors=(Limit("seconds", tuned.wall, TUNING_SECONDS),),
            notes={"nested score": nested.score.total},
        ),
    ]
