"""The check of a GPU, driven with made-up stages; what it measures is rehearsed by hand (see docs/gpu.md)."""

import json
import os
import subprocess
import sys

import pytest

from tests.gpu import check, training_stages
from tests.gpu.carry import NOT_NEEDED
from tests.gpu.facts import Bench, Fact, read_facts


def test_every_stage_is_there_and_the_limits_are_five_minutes():
    for stage in check.STAGES:
        assert callable(check.stage_function(stage))
    assert sum(seconds for _, seconds in check.STAGES.values()) == 300


def stage(tmp_path, code, limit=60.0):
    """Run a program as a stage's process; ``told`` in it tells a fact."""
    bench = Bench("made-up", "cpu", tmp_path, tmp_path / "facts.jsonl")
    program = (
        "from pathlib import Path; from tests.gpu.facts import Bench; import os, time\n"
        f"told = Bench('made-up', 'cpu', Path({str(tmp_path)!r}), Path({str(bench.file)!r})).tell\n{code}"
    )
    return check.run_stage([sys.executable, "-c", program], bench, limit)


def test_a_stage_that_ends_well(tmp_path, capfd):
    facts = stage(tmp_path, "told('sum', 8, True); told('speed', 1.23456)")
    assert [(fact.what, fact.holds) for fact in facts] == [("sum", True), ("speed", None), ("seconds", None)]
    assert capfd.readouterr().out.splitlines() == ["PASS made-up: sum: 8", "INFO made-up: speed: 1.235"]


def test_stages_keep_compiled_modules_where_this_process_keeps_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    code = "import sys; told('kept', [sys.dont_write_bytecode, sys.pycache_prefix], True)"
    assert stage(tmp_path, code)[0].value == [False, str(tmp_path / "compiled")]
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert check.environment(tmp_path) == dict(os.environ)


@pytest.mark.parametrize(
    ("code", "limit", "said"),
    [
        ("told('first', 1, True); os._exit(9)", 60.0, "ended with code"),
        ("told('first', 1, True); time.sleep(600)", 5.0, "ended after its limit, seconds"),
    ],
)
def test_a_crash_or_a_hang_costs_one_stage_and_no_fact(tmp_path, code, limit, said):
    facts = stage(tmp_path, code, limit)
    assert [(fact.what, fact.holds) for fact in facts] == [("first", True), (said, False)]


def test_an_error_of_a_stage_and_a_connection_are_facts_that_do_not_hold(tmp_path, monkeypatch):
    def fails(bench):
        import socket

        with pytest.raises(OSError, match="no network"):
            socket.create_connection(("127.0.0.1", 9))
        raise ValueError("broken")

    monkeypatch.setattr(check, "stage_function", lambda name: fails)
    bench = Bench("same", "cpu", tmp_path, tmp_path / "facts.jsonl")
    assert check.work(bench) == 1
    asked, ended = read_facts(bench.file)
    assert asked.what == "network asked for" and asked.holds is False
    assert ended.value == "ValueError: broken" and str(ended).startswith("FAIL same: ended: ")


def test_only_runs_what_is_named_and_what_it_needs_and_writes_json(tmp_path, monkeypatch, capsys):
    ran = []

    def run_stage(command, bench, limit):
        ran.append((bench.stage, limit))
        return [Fact(bench.stage, "x", 1, bench.stage != "killed")]

    monkeypatch.setattr(check, "run_stage", run_stage)
    out = tmp_path / "results" / "gpu.json"
    assert check.main(["--only", "killed", "--out", str(out)]) == 1
    assert [name for name, _ in ran] == ["data", "workers", "killed"]
    seconds = [check.STAGES[name][1] for name, _ in ran]  # what a stage leaves is the next ones'
    assert [limit for _, limit in ran] == pytest.approx([sum(seconds[:n]) for n in (1, 2, 3)], abs=1.0)
    assert [fact["holds"] for fact in json.loads(out.read_text())["facts"]] == [True, True, False]
    assert "2 passed, 1 failed" in capsys.readouterr().out
    assert check.main(["--only", "gradients"]) == 0


def test_gradients_are_compared(tmp_path, monkeypatch):
    """On a CPU with itself; a network that differs is noticed."""
    bench = Bench("gradients", "cpu", tmp_path, tmp_path / "facts.jsonl")
    training_stages.gradients(bench)
    assert [fact.holds for fact in read_facts(bench.file)] == [True, True]
    made, learner_of = [], training_stages.learner_of

    def odd(*arguments, **changes):
        made.append(learner_of(*arguments, init="scratch" if len(made) % 2 else "pretrained", **changes))
        return made[-1]

    monkeypatch.setattr(training_stages, "learner_of", odd)
    bench.file.unlink()
    training_stages.gradients(bench)
    assert [fact.holds for fact in read_facts(bench.file)] == [False, False]


def test_the_command_runs_a_stage_in_its_own_process(tmp_path):
    command = [sys.executable, "-m", "tests.gpu.check", "--device", "cpu", "--only", "machine", "--scale", "6"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "INFO machine: torch: " in done.stdout and "0 failed" in done.stdout


def test_every_stage_and_command_is_imported_without_what_is_not_carried():
    modules = [f"tests.gpu.{module}" for module, _ in check.STAGES.values()]
    modules += ["evaluation.cross_validation", "ensemble.building", "submissions.prediction.submit"]
    modules += ["models.unet.training", "models.yolo.training"]
    block = f"import sys; sys.modules.update(dict.fromkeys({sorted(NOT_NEEDED)!r}))\n"
    code = block + f"import importlib\nfor name in {modules!r}: importlib.import_module(name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
