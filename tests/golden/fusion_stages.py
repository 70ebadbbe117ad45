"""Stages that score and fuse candidates: metric, thresholds, nested evaluation, calibration, clustering, tuning."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console, RenderableType

from ensemble.baselines import BASELINES
from ensemble.calibration import evidence, fit_calibration, label_hits, localisation_variance
from ensemble.clustering import FusionRule, average_models, fuse
from ensemble.comparison import compare
from ensemble.fitting import fit_ensemble
from ensemble.report import report as ensemble_report
from ensemble.tuning import Tuning
from evaluation.counts import count, pool, score
from evaluation.folds import Fold, group_folds, load_folds
from evaluation.intervals import difference_interval, resamplings, score_interval
from evaluation.metric import kaggle_score
from evaluation.nested import nested
from evaluation.records import report_to_record
from evaluation.report import report as evaluation_report
from evaluation.residuals import measure_residuals
from evaluation.thresholds import apply_thresholds, average_precision, best_threshold, fit_thresholds, sweep
from postproc.candidates import concatenate, make_candidates
from tests.golden.inputs import PAIR, TRIO, leave_one_out, members
from tomograms.particles import CZII
from tomograms.picks import join_truth, make_truth


def folds(folder: Path) -> dict[str, Any]:
    """The built-in folds, and those that are made for other runs."""
    seven = [f"TS_{name}" for name in ("5_4", "69_2", "6_4", "6_6", "73_6", "86_3", "99_9")]
    content = {
        "built in": load_folds(seven),
        "phantom": load_folds([f"PH_{number}" for number in range(1, 8)]),
        "one by one": group_folds(["b", "c", "a"]),
        "two groups": group_folds(["b", "c", "a", "e", "d"], 2),
        "a long name": Fold(tuple(f"tomogram_{number:03}" for number in range(20)), ()).name,
    }
    return {"folds.json": content}


def metric(folder: Path) -> dict[str, Any]:
    """Counts and scores where edges matter: exact reach, double hits, repeats, other experiments, missing species."""
    truth = join_truth(
        [
            make_truth("TS_1", "apo-ferritin", [[100, 100, 100], [150, 100, 100], [400, 400, 100]]),
            make_truth("TS_1", "ribosome", [[300, 300, 200], [600, 300, 200]]),
            make_truth("TS_1", "beta-amylase", [[50, 50, 50]]),
            make_truth("TS_2", "apo-ferritin", [[100, 100, 100]]),
            make_truth("TS_2", "thyroglobulin", [[500, 500, 100], [500, 565, 100]]),
            make_truth("TS_2", "virus-like-particle", [[10, 10, 10]]),
        ]
    )
    found = [
        ("TS_1", "apo-ferritin", [[125, 100, 100], [430, 400, 100], [400, 430.001, 100]]),  # two hits; at; beyond
        ("TS_1", "ribosome", [[300, 300, 200], [310, 300, 200], [375, 300, 200], [1, 1, 1]]),  # repeats
        ("TS_1", "beta-galactosidase", [[1, 1, 1]]),  # of no true particle
        ("TS_1", "beta-amylase", [[50, 50, 50]]),
        ("TS_2", "thyroglobulin", [[500, 532.5, 100]]),  # two hits of one prediction
        ("TS_2", "apo-ferritin", [[400, 400, 100]]),
        ("TS_3", "apo-ferritin", [[100, 100, 100]]),  # of no true experiment
    ]
    predictions = pd.concat(
        [make_truth(run, name, np.array(xyz, np.float64)) for run, name, xyz in found], ignore_index=True
    )
    counts = count(truth, predictions, CZII)
    pooled = pool(counts)
    rates = {name: [c.precision, c.recall, c.f_beta, c.predictions, c.truth] for name, c in pooled.items()}
    none = predictions.iloc[:0]
    content = {
        "counts": counts,
        "precision, recall, F, predictions, truth": rates,
        "score": score(pooled, CZII),
        "of no predictions": [kaggle_score(truth, none).total, count(truth, none, CZII)["TS_2"]],
        "of the truth itself": kaggle_score(truth, truth),
    }
    return {"metric.json": content}


def thresholds(folder: Path) -> dict[str, Any]:
    """Sweeps over all distinct scores, average precision, and the best thresholds."""
    truth, candidates = members(21, ["second"], runs=("TS_0", "TS_1"), particles=TRIO, true=6, false=10)
    curve = sweep(truth, candidates, PAIR[1])
    fitted = fit_thresholds(truth, candidates, TRIO)
    content = {
        "curve of hard": curve,
        "best of hard": best_threshold(curve),
        "average precision": {p.name: average_precision(truth, candidates, p) for p in TRIO},
        "thresholds": fitted,
        "without candidates": fit_thresholds(truth, candidates.iloc[:0], TRIO),
        "kept": len(apply_thresholds(candidates, fitted)),
        "kept of easy alone": len(apply_thresholds(candidates, {"easy": 0.5})),
    }
    return {"thresholds.json": content}


def nested_report(folder: Path) -> dict[str, Any]:
    """The nested results of two members: record, report and intervals."""
    truth, candidates = members(5, ["first", "second"], particles=TRIO)
    folds = leave_one_out(sorted(truth["experiment"].unique()))
    results = {
        name: nested(truth, candidates[candidates["member"] == name], TRIO, folds) for name in ("first", "second")
    }
    results["nothing"] = nested(truth, candidates.iloc[:0], TRIO, folds)
    report = evaluation_report(results, simulated=True, seconds={"first": 65.2, "second": 3.0, "evaluation": 4000.0})
    multiplicity, probability = resamplings(3)
    many = resamplings(9)
    intervals = {
        "of first": score_interval(results["first"]),
        "first minus second": difference_interval(results["first"], results["second"]),
        "draws of 3": multiplicity,
        "their probabilities": probability,
        "draws of 9": [len(many[0]), many[0][:3], float(many[1].sum())],
    }
    return {
        "nested.json": report_to_record(results, simulated=True),
        "nested.txt": rendered(report),
        "intervals.json": intervals,
    }


def calibration(folder: Path) -> dict[str, Any]:
    """Platt's and isotonic calibrations, and the cases in which there is nothing to fit; which candidates are hits."""
    rng = np.random.default_rng(6)
    label = rng.uniform(size=900) < 0.35
    value = np.round(rng.normal(np.where(label, 1.0, -0.5), 1.0), 3)
    probability = np.round(1 / (1 + np.exp(-value)), 4)
    few = slice(0, 60)
    cases = {
        "platt": (probability[few], label[few], None),
        "platt, logit off": (probability[few], label[few], False),
        "platt, any scores": (10 * value[few], label[few], None),
        "isotonic": (probability, label, None),
        "reversed": (1 - probability[few], label[few], None),
        "no hit": (probability[few], np.zeros(60, bool), None),
        "only hits": (probability[few], np.ones(60, bool), None),
        "one score": (np.full(5, 0.5), np.array([True, False, False, False, True]), None),
        "nothing": (np.empty(0), np.empty(0, bool), None),
    }
    at = np.array([0.0, 0.02, 0.3, 0.5, 0.9, 1.0])
    out: dict[str, Any] = {}
    for name, (scores, hits, logit) in cases.items():
        fitted = fit_calibration(scores, hits, logit=logit)
        out[name] = {**asdict(fitted), "of 0 to 1": fitted(at)}
    out["evidence"] = evidence(at)
    truth, candidates = members(7, ["second"], runs=("TS_0", "TS_1"), true=5, false=6)
    for particle in PAIR:
        rows = candidates[candidates["particle_type"] == particle.name].reset_index(drop=True)
        found = label_hits(truth, rows, particle)
        out[f"hits of {particle.name}"] = {
            "rows": np.flatnonzero(found.label),
            "distance": found.distance[found.label],
            "variance": localisation_variance(found, rows["score"].to_numpy(), particle),
        }
    twice = make_candidates("TS_1", "easy", [[0, 0, 0], [5, 0, 0], [40, 0, 0]], [0.5, 0.9, 0.9], member="a", model="m")
    found = label_hits(make_truth("TS_1", "easy", [[0, 0, 0], [20, 0, 0]]), twice, PAIR[0])
    out["two truths in reach"] = {"label": found.label, "distance": found.distance}
    return {"calibration.json": out}


def clustering(folder: Path) -> dict[str, Any]:
    """Clusters of two members, weighted and not, with a member left out; and models of one member averaged."""
    _, candidates = members(8, ["first", "second", "third"], runs=("TS_0", "TS_1"), true=4, false=3)
    close = [
        make_candidates("TS_1", "easy", [[300, 300, 100], [330, 300, 100]], [0.9, 0.8], member="first", model="TS_1-0"),
        make_candidates(
            "TS_1", "easy", [[310, 300, 100], [340, 300, 100]], [0.9, 0.7], member="second", model="TS_1-0"
        ),
        make_candidates("TS_1", "easy", [[300, 345, 100]], [0.9], member="third", model="TS_1-0"),
    ]
    candidates = concatenate([candidates, *close])
    rules = {
        "easy": FusionRule(
            {"first": 1.0, "second": 0.5, "third": 0.25}, 0.75, {"first": 40.0, "second": 90.0, "third": 150.0}
        ),
        "hard": FusionRule(
            {"first": 1.0, "second": 0.0, "third": 1.0}, 1.0, {"first": 1.0, "second": 1.0, "third": 1.0}
        ),
    }
    models = []
    for number in range(3):
        _, table = members(8, ["first"], runs=("TS_0", "TS_1"), true=4, false=2)
        moved = table[["x", "y", "z"]] + 4.0 * number
        some = table.assign(model=f"fold {number}", **{axis: moved[axis] for axis in "xyz"})
        models.append(some[some.index % 4 != number])
    return {
        "clustering.csv": fuse(candidates, PAIR, rules=rules),
        "average-models.csv": average_models(concatenate(models), PAIR, 3),
    }


def residuals(folder: Path) -> dict[str, Any]:
    """Where the members' sure hits lie, and what is taken back."""
    truth, candidates = members(9, ["first", "second"], particles=TRIO)
    out = {}
    for name in ("first", "second"):
        found = measure_residuals(truth, candidates[candidates["member"] == name], TRIO)
        out[name] = {
            "residuals": found,
            "significant": found.significant,
            "correction": found.correction,
            "half voxels": found.half_voxels(10.0, 2),
        }
    return {"residuals.json": out}


def fitting(folder: Path) -> dict[str, Any]:
    """The tuned ensemble of two members (every point of the grid) and of three (proposed points): record and list."""
    out = {}
    for names, trials in ((["first", "second"], 20), (["first", "second", "third"], 20)):
        truth, candidates = members(10, names, particles=TRIO, true=8, false=10)
        studies: dict[str, Any] = {}
        rule = fit_ensemble(
            truth, candidates, particles=TRIO, members=names, tuning=Tuning(trials=trials), studies=studies
        )
        fused = rule.apply(candidates)
        key = f"fitting-{len(names)}"
        tried = {name: [trial.value for trial in study.trials] for name, study in studies.items()}
        counts = {
            "fused": fused["particle_type"].value_counts().sort_index().to_dict(),
            "kept": rule.predict(candidates)["particle_type"].value_counts().sort_index().to_dict(),
            "trial values": tried,
        }
        out[f"{key}.json"] = {"ensemble": rule.to_record(), **counts}
        out[f"{key}.csv"] = _head(fused, 4)
    return out


def baselines(folder: Path) -> dict[str, Any]:
    """Every fusion without tuning: thresholds, and the best of its list."""
    truth, candidates = members(10, ["first", "second"], particles=TRIO, true=8, false=10)
    limits, tables = {}, []
    for name, fit in BASELINES.items():
        rule = fit(truth, candidates, particles=TRIO, members=["first", "second"])
        table = rule.apply(candidates)
        limits[name] = {
            "thresholds": rule.thresholds,
            "fused": len(table),
            "kept": len(rule.keep(table)),
        }
        tables.append(_head(table[table["experiment"] == "TS_0"], 3).assign(model=name))
    return {"baselines.json": limits, "baselines.csv": pd.concat(tables)}


def comparison(folder: Path) -> dict[str, Any]:
    """Members, baselines and ensemble under nested evaluation: figures and report."""
    truth, candidates = members(12, ["first", "second"], true=10, false=15)
    folds = leave_one_out(sorted(truth["experiment"].unique()))
    result, studies = compare(truth, candidates, particles=PAIR, folds=folds, tuning=Tuning(trials=6))
    figures = {
        name: {
            "nested": own.score.total,
            "optimum": own.optimum.total,
            "average precision": own.average_precision,
            "counts": own.pooled,
            "minus best": result.difference(name),
        }
        for name, own in result.results.items()
    }
    trials = {name: len(study.trials) for name, study in studies.items()}
    return {
        "comparison.json": {"best member": result.best_member, "trials": trials, "results": figures},
        "comparison.txt": rendered(ensemble_report(result, simulated=False, voxel_size=10.0)),
    }


def rendered(renderable: RenderableType) -> str:
    """Return what a console 140 characters wide shows, without colours and spaces at the ends of lines."""
    out = io.StringIO()
    Console(file=out, width=140, color_system=None, force_terminal=False, highlight=False).print(renderable)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _head(table: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Return the first rows of each experiment and species."""
    return table.groupby(["experiment", "particle_type"], sort=False).head(rows)
