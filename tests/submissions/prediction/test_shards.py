"""Shards of the test tomograms: together they are what one process reports."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from submissions.prediction.store import Store
from tests.submissions.conftest import RUN
from tests.submissions.prediction.test_inference import calls
from tests.submissions.test_make import make


def written(project):
    return (project.root / RUN / "submission.csv").read_bytes()


def experiments(project):
    return set(pd.read_csv(project.root / RUN / "submission.csv")["experiment"])


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_shards_give_what_one_process_gives(project, capsys, jobs):
    assert make("--run", "tiny", "--on", "debug", "--jobs", jobs) == 0
    sharded, out = written(project), capsys.readouterr().out
    done = calls()
    assert make("--run", "tiny") == 0 and written(project) == sharded
    assert calls() == done  # candidates were kept as ever
    again = capsys.readouterr().out
    table = "simulated test truth" if "simulated test truth" in again else "test truth"
    assert out[out.index(table) :].splitlines()[:9] == again[again.index(table) :].splitlines()[:9]  # and its score
    assert not list((project.root / RUN / "jobs").rglob("report*"))


def test_a_process_that_dies_costs_its_shard_and_the_same_command_does_it(predicted, capsys, monkeypatch):
    whole = written(predicted)
    for path in (predicted.root / RUN / "test").glob("*/boxes.*"):
        path.unlink()
    monkeypatch.setenv("KILL_ME_ON", "TS_9")
    assert make("--run", "tiny", "--on", "local", "--jobs", "2", "--device", "cpu") == 3
    out = capsys.readouterr().out
    assert "shard-1-of-2: done" in out
    assert "not finished: shard-2-of-2: its process ended without a word" in out
    assert "failed: shard-2-of-2: 1 tomogram missing: TS_9; the same command goes on with them" in out
    assert experiments(predicted) == {"TS_8"}
    monkeypatch.delenv("KILL_ME_ON")
    before = calls()
    assert make("--run", "tiny", "--on", "debug", "--jobs", "2") == 0 and written(predicted) == whole
    assert np.subtract(calls(), before).tolist() == [0, 2]  # two models of one member: the rest is kept


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file on a disk that is always full")
def test_a_disk_that_fills_costs_its_shard_and_the_same_command_does_it(predicted, capsys):
    whole = written(predicted)
    picks = predicted.root / RUN / "jobs/shard-2-of-2/report/picks"
    picks.parent.mkdir(parents=True)
    picks.symlink_to("/dev/full")
    assert make("--run", "tiny", "--on", "debug", "--jobs", "2") == 3
    out = capsys.readouterr().out
    assert "not finished: shard-2-of-2: OSError: [Errno 28] No space left on device" in out
    assert "failed: shard-2-of-2: 1 tomogram missing: TS_9" in out and experiments(predicted) == {"TS_8"}
    picks.unlink()
    assert make("--run", "tiny", "--on", "debug", "--jobs", "2") == 0 and written(predicted) == whole
    assert calls() == (0, 0)  # nothing is predicted again


def test_a_damaged_tomogram_in_each_shard(predicted, capsys):
    given = ["--run", "tiny", "--on", "debug", "--jobs", "2", "--tomograms", "TS_1", "TS_2", "TS_8", "TS_9"]
    for name in ("TS_1", "TS_9"):
        next(predicted.data.glob(f"*/static/ExperimentRuns/{name}/**/0/0/0/0")).write_bytes(b"broken")
    assert make(*given) == 3
    out = capsys.readouterr().out
    assert all(f"failed: {name}: " in out and "intact chunk" in out for name in ("TS_1", "TS_9"))
    assert "not everything worked: see the failures above of TS_1, TS_9" in out
    assert experiments(predicted) == {"TS_2", "TS_8"}
    assert [one["experiment"] for one in Store(predicted.root / RUN / "test").failures()] == ["TS_1", "TS_9"]


def test_tomograms_that_came_later_are_in_the_shards_too(project, capsys):
    picks = project.root / RUN / "jobs/shard-2-of-2/report/picks"
    picks.parent.mkdir(parents=True)
    picks.mkdir()
    assert make("--run", "tiny", "--on", "debug", "--jobs", "2") == 3  # the first shard has reported
    assert "IsADirectoryError" in capsys.readouterr().out
    picks.rmdir()
    shutil.copytree(project.data / "test/static/ExperimentRuns/TS_9", project.data / "test/static/ExperimentRuns/TS_7")
    assert make("--run", "tiny", "--on", "debug", "--jobs", "2") == 0
    assert experiments(project) == {"TS_7", "TS_8", "TS_9"}


def test_a_budget_and_shards_are_refused(project, capsys):
    assert make("--run", "tiny", "--on", "debug", "--budget", "1h") == 2
    assert "--budget: expected without --on" in capsys.readouterr().err
