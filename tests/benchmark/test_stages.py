"""Every stage runs at small scale, agrees with its reference and makes a valid row; no time is asserted."""

import json
import math

import pytest
import torch

from tests.benchmark.__main__ import main
from tests.benchmark.measure import Timing, interleave
from tests.benchmark.rows import Limit, Row, table
from tests.benchmark.scale import Scale
from tests.benchmark.stages import STAGES, run_stage


@pytest.mark.filterwarnings("default")  # the peers' own libraries warn
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_agrees_with_its_reference(stage):
    rows = run_stage(stage, Scale(full=False))
    assert rows
    for row in rows:
        assert not [str(limit) for limit in row.checks if not limit.held]
        record = json.loads(json.dumps(row.record()))
        assert record["ours"]["wall"] > 0
        assert record["peer"] is None or record["ratio"] > 0
        assert all(math.isfinite(limit["value"]) for limit in (*record["floors"], *record["checks"]))
        assert row.stage.startswith(stage)
        assert row.floors
        assert row.work


def test_the_command_prints_a_table_and_writes_its_figures(tmp_path, capsys):
    path = tmp_path / "figures.json"
    assert main(["--scale", "small", "--only", "metric", "sweep", "--json", str(path)]) == 0
    written = json.loads(path.read_text())
    assert [row["stage"] for row in written["rows"]] == ["metric", "sweep"]
    assert written["machine"]["versions"]["numpy"]
    assert written["machine"]["threads"] >= 1
    assert {row["instructions"] for row in written["rows"]} == {written["machine"]["instructions"]}
    printed = capsys.readouterr().out
    assert "KD-tree loops" in printed
    assert "of 2 rows met" in printed
    assert printed.count(torch.backends.cpu.get_cpu_capability()) >= 2


def test_ways_take_turns_and_the_median_counts():
    said = []
    ways = {"a": lambda: said.append("a") or 1, "b": lambda: said.append("b") or 2}
    times, results = interleave(ways, repeats=3)
    assert said == ["a", "b"] * 3
    assert results == {"a": 1, "b": 2}
    assert times["a"].wall == sorted(times["a"].walls)[1]
    assert len(interleave(ways, repeats=3, most=-1)[0]["a"].walls) == 1


def test_a_row_is_met_when_every_limit_holds():
    timing = Timing(1.0, 1.0, (1.0,))
    good, bad = Limit("ratio", 1.5, 1.3, at_least=True), Limit("seconds", 1.5, 1.3)
    assert good.held and not bad.held
    assert Row("s", "w", timing, floors=(good,)).met
    assert not Row("s", "w", timing, floors=(good,), checks=(bad,)).met
    assert table([Row("s", "w", timing, timing, "peer", (good,), (bad,))], "title", "AVX2").row_count == 1
