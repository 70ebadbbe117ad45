"""Nested results as plain dictionaries, for ``cv.json`` and ``ensemble.json``; floats survive exactly."""

from collections.abc import Mapping
from dataclasses import asdict, astuple
from typing import Any

from evaluation.counts import Counts, pool, score
from evaluation.intervals import score_interval
from evaluation.nested import NestedResult
from evaluation.thresholds import to_record as thresholds_to_record


def result_to_record(result: NestedResult) -> dict[str, Any]:
    """Return one result: scores, interval, every species, every fold.

    Counts are lists ``[tp, fp, fn]``; a threshold of ``null`` keeps nothing.
    """
    interval = score_interval(result)
    return {
        "nested": result.score.total,
        "optimum": result.optimum.total,
        "gap": result.gap,
        "interval": {name: value for name, value in asdict(interval).items() if name != "estimate"},
        "thresholds": thresholds_to_record(result.optimum_rule.thresholds),
        "particles": {
            name: {
                "precision": counts.precision,
                "recall": counts.recall,
                "f_beta": counts.f_beta,
                "average_precision": result.average_precision.get(name),
                "counts": list(astuple(counts)),
            }
            for name, counts in result.pooled.items()
        },
        "folds": [
            {
                "held_out": list(fold.fold.held_out),
                "score": score(pool(fold.counts), result.particles).total,
                "thresholds": thresholds_to_record(fold.rule.thresholds),
                "counts": _by_experiment(fold.counts),
            }
            for fold in result.folds
        ],
        "optimum_counts": _by_experiment(result.optimum_counts),
    }


def report_to_record(results: Mapping[str, NestedResult], *, simulated: bool) -> dict[str, Any]:
    """Return what `report.report` shows, but for the times: the content of ``cv.json``."""
    return {"simulated": simulated, "members": {name: result_to_record(result) for name, result in results.items()}}


def _by_experiment(counts: Mapping[str, Mapping[str, Counts]]) -> dict[str, dict[str, list[int]]]:
    return {experiment: {name: list(astuple(own)) for name, own in row.items()} for experiment, row in counts.items()}
