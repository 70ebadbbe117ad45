import io
import json

import numpy as np
import pytest
from rich.console import Console

from evaluation.folds import Fold
from evaluation.nested import nested
from evaluation.records import report_to_record
from evaluation.report import class_table, report
from tests.evaluation.reference import random_rows, table
from tomograms.particles import CZII

RUNS = tuple(f"TS_{number}" for number in range(7))


@pytest.fixture(scope="module")
def results():
    rng = np.random.default_rng(2)
    truth, candidates = random_rows(rng, CZII, experiments=RUNS, most=20)
    while {row[0] for row in truth} != set(RUNS):
        truth, candidates = random_rows(rng, CZII, experiments=RUNS, most=20)
    folds = [Fold((run,), tuple(other for other in RUNS if other != run)) for run in RUNS]
    frame = table(candidates, scored=True)
    return {
        "unet": nested(table(truth), frame, CZII, folds),
        "yolo": nested(table(truth), frame.iloc[:0], CZII, folds),
    }


def rendered(renderable, width=100):
    out = io.StringIO()
    Console(file=out, width=width).print(renderable)
    return out.getvalue()


def test_the_nested_score_comes_first_then_the_optimum_then_the_gap(results):
    text = rendered(report(results, simulated=False, seconds={"unet": 65.0}))
    head = next(line for line in text.splitlines() if line.startswith("member"))
    assert head.index("nested") < head.index("optimum") < head.index("gap")
    row = next(line for line in text.splitlines() if line.startswith("unet"))
    unet = results["unet"]
    assert [f"{v:.4f}" for v in (unet.score.total, unet.optimum.total, unet.gap)] == [
        row.split()[index] for index in (1, 5, 6)
    ]
    assert "simulated" not in text
    assert "1 min 05 s" in text


def test_what_is_not_nested_is_said(results):
    text = " ".join(rendered(report(results, simulated=True, seconds={})).split())
    assert "Not nested: choices of recipe made on these runs" in text
    assert "did train on the held-out run" in text
    assert "omits training variance" in text
    assert text.count("(simulated data)") == 1 + 2 * len(results)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_figure_is_cut(results, width):
    text = rendered(report(results, simulated=True, seconds={"evaluation": 1.0}), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    if width >= 100:
        assert all(particle.name in text for particle in CZII)


def test_every_species_and_fold_has_its_row(results):
    text = rendered(report(results, simulated=False, seconds={}))
    for name in (*RUNS, *(particle.name for particle in CZII)):
        assert sum(line.startswith(name) for line in text.splitlines()) == len(results)


def test_a_submission_has_no_threshold_and_no_average_precision(results):
    text = rendered(class_table(results["unet"].pooled, CZII, title="submission.csv"))
    assert "threshold" not in text
    assert " AP " not in text
    assert "weighted score" in text


def test_the_record_is_json_and_exact(results):
    record = report_to_record(results, simulated=True)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    unet = record["members"]["unet"]
    assert record["simulated"] is True
    assert unet["nested"] == results["unet"].score.total
    assert unet["folds"][3]["held_out"] == ["TS_3"]
    assert unet["interval"]["resamplings"] == 1716
    assert record["members"]["yolo"]["thresholds"] == {particle.name: None for particle in CZII}
    total = np.sum([fold["counts"][run]["ribosome"] for fold in unet["folds"] for run in fold["counts"]], axis=0)
    assert total.tolist() == unet["particles"]["ribosome"]["counts"]
