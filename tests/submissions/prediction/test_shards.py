"""Shards of the test tomograms: together they are what one process reports."""

import pytest

from submissions.prediction import collect as collecting
from tests.submissions.conftest import RUN
from tests.submissions.fakes import MapsPredictor
from tests.submissions.prediction.test_inference import calls, damage
from tests.submissions.test_make import make


def written(project):
    return (project.root / RUN / "submission.csv").read_bytes()


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


def test_a_shard_that_fails_is_missing_and_the_same_command_does_it(project, capsys, monkeypatch):
    assert make("--run", "tiny", "--out", "whole") == 0
    predict = MapsPredictor.predict

    def fails(self, tomogram, *, views=None):
        if tomogram.name == "TS_9":
            raise KeyError("no weights any more")
        return predict(self, tomogram, views=views)

    def breaks(*arguments, **options):
        raise OSError(28, "No space left on device")

    write = collecting.write_submission
    monkeypatch.setattr(
        collecting, "write_submission", lambda path, table: breaks() if "2-of" in str(path) else write(path, table)
    )
    assert make("--run", "tiny", "--on", "debug", "--jobs", "2") == 3
    out = capsys.readouterr().out
    assert "not finished: shard-2-of-2: OSError: [Errno 28] No space left on device" in out
    assert "failed: shard-2-of-2: 1 tomograms are missing: TS_9, ...; the same command goes on with them" in out
    assert b"TS_8" in written(project) and b"TS_9" not in written(project)
    monkeypatch.setattr(collecting, "write_submission", write)
    monkeypatch.setattr(MapsPredictor, "predict", fails)
    before = calls()
    assert make("--run", "tiny", "--on", "debug", "--jobs", "2") == 3  # TS_9 without one of its members
    assert "TS_9: maps: KeyError" in capsys.readouterr().out and b"TS_9" in written(project)
    monkeypatch.setattr(MapsPredictor, "predict", predict)
    assert make("--run", "tiny", "--on", "debug", "--jobs", "2") == 0
    assert written(project) == (project.root / "whole/submission.csv").read_bytes()
    assert calls()[0] >= before[0]


def test_a_damaged_tomogram_in_each_shard(predicted, capsys):
    whole = written(predicted)
    damage(predicted, "TS_8")
    assert make("--run", "tiny", "--on", "debug", "--jobs", "2") == 3
    assert "failed: TS_8: " in capsys.readouterr().out
    assert 0 < len(written(predicted)) < len(whole)


def test_a_budget_and_shards_are_refused(project, capsys):
    assert make("--run", "tiny", "--on", "debug", "--budget", "1h") == 2
    assert "--budget: expected without --on" in capsys.readouterr().err
