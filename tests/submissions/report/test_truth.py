import io

from rich.console import Console

from postproc.candidates import concatenate, make_candidates
from submissions.report.truth import truth_table
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
KEPT = FUSED[FUSED["score"] >= 0.5]


def test_the_table_tells_score_optimum_and_gap():
    f_a = 17 * 1 / (17 * 1 + 16 * 1 + 0)
    f_b = 17 * 1 / (17 * 1 + 16 * 0 + 1)
    score = (1 * f_a + 3 * f_b) / 4
    out = io.StringIO()
    Console(file=out, width=120).print(truth_table(TRUTH, FUSED, KEPT, (A, B), title="test"))
    assert f"submitted {score:.3f}   1.000 {1 - score:.3f}" in out.getvalue()
