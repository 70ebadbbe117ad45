import io

import pytest
from rich.console import Console

from postproc.candidates import concatenate, make_candidates
from submissions.report.test_truth import compare, score_table
from tomograms.particles import Particle
from tomograms.picks import join_truth, make_truth

A, B = Particle("a", 1, 50.0, 1.0), Particle("b", 2, 50.0, 3.0)
TRUTH = join_truth([make_truth("t", "a", [[0, 0, 0], [500, 0, 0]]), make_truth("t", "b", [[0, 500, 0]])])
FUSED = concatenate(
    [
        make_candidates("t", "a", [[0, 0, 0], [500, 0, 0], [900, 0, 0]], [0.9, 0.4, 0.2], member="e", model=""),
        make_candidates("t", "b", [[0, 500, 0], [0, 900, 0]], [0.9, 0.8], member="e", model=""),
    ]
)


def test_at_the_given_thresholds_and_at_the_optimum():
    result = compare(TRUTH, FUSED, {"a": 0.5, "b": 0.5}, (A, B))
    f_a = 17 * 1 / (17 * 1 + 16 * 1 + 0)
    f_b = 17 * 1 / (17 * 1 + 16 * 0 + 1)
    assert result.kept.total == pytest.approx((1 * f_a + 3 * f_b) / 4)
    assert result.optimum.total == 1.0
    assert result.gap == pytest.approx(1 - (f_a + 3 * f_b) / 4)


def test_the_table_has_a_row_for_each_way():
    result = compare(TRUTH, FUSED, {"a": 0.5, "b": 0.5}, (A, B))
    out = io.StringIO()
    Console(file=out, width=120).print(score_table({"matched": result, "unmatched": result}, (A, B), title="test"))
    text = out.getvalue()
    assert "matched" in text and f"{result.kept.total:.3f}" in text and "1.000" in text
