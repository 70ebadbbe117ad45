import os
import time

import pytest

from ensemble.ensemble import load_ensemble
from submissions.make import main
from submissions.prediction.budget import Budget, Plan, ladder
from submissions.prediction.fusion import members_in_use
from submissions.prediction.inference import Inference
from submissions.prediction.store import Store
from submissions.prediction.workers import Specification, predict_all
from tests.submissions.conftest import RUN, TEST
from tests.submissions.failing import FailingPrediction
from tests.submissions.fakes import BoxesPredictor, FakeMember, MapsPredictor
from tests.submissions.prediction.test_inference import calls, damage
from tests.submissions.test_make import submission
from tomograms.errors import InputError, run_command
from tomograms.files import read_json, write_json

MEMBERS = ("maps", "boxes")


def predict(project, *, devices=("cpu",), budget=None, changed=lambda experiment, plan: None, path="store"):
    machine = Inference(project.run, project.dataset, Store(project.root / path), MEMBERS, "cpu")
    budget = budget or Budget(None, ladder(MEMBERS), len(TEST), len(devices), time.monotonic)
    return list(predict_all(machine, TEST, budget=budget, devices=devices, changed=changed))


def test_two_processes_give_what_one_gives(project, predicted_template, capsys):
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--run", "tiny", "--device", "cpu", "cpu"])
    assert end.value.code == 0 and calls() == (0, 0)  # the work was done elsewhere
    one = predicted_template / RUN / "submission.csv"
    assert (project.root / RUN / "submission.csv").read_bytes() == one.read_bytes()


def test_failures_come_back_from_processes(project):
    damage(project, "TS_8")
    by_name = {prediction.experiment: prediction for prediction in predict(project, devices=("cpu", "cpu"))}
    assert "intact chunk" in str(by_name["TS_8"].failures[0]) and by_name["TS_9"].members == ("boxes", "maps")


def test_damaged_weights_end_the_run_from_a_process(project):
    weights = project.run.jobs("maps")[0] / "weights.safetensors"
    weights.write_text("{")
    with pytest.raises(InputError, match="complete weights"):
        predict(project, devices=("cpu", "cpu"))


def test_a_tomogram_that_kills_every_process_is_the_only_one_lost(project, monkeypatch):
    monkeypatch.setenv("KILL_ME_ON", "TS_8")
    by_name = {prediction.experiment: prediction for prediction in predict(project, devices=("cpu", "cpu"))}
    assert "killed" in str(by_name["TS_8"].failures[0]) and by_name["TS_9"].members == ("boxes", "maps")


class Steps:
    """A clock that the fake members move."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def slow_members(monkeypatch, clock, *, maps, boxes):
    """Let each fake model take time: ``maps`` seconds a view, and ``boxes`` seconds."""
    seen_maps, seen_boxes = MapsPredictor.predict, BoxesPredictor.predict

    def predict_maps(self, tomogram, *, views=None):
        clock.now += maps * (views or self.views)
        return seen_maps(self, tomogram, views=views)

    def predict_boxes(self, tomogram, *, views=None):
        clock.now += boxes
        return seen_boxes(self, tomogram, views=views)

    monkeypatch.setattr(MapsPredictor, "predict", predict_maps)
    monkeypatch.setattr(BoxesPredictor, "predict", predict_boxes)
    monkeypatch.setattr("submissions.prediction.inference.time.perf_counter", clock)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1e6, Plan(MEMBERS, 0)),
        (10 + 7, Plan(MEMBERS, 1)),  # two models: 2 x 4 views x 1 s + 2 x 1 s = 10 s for everything, 6 s for half
        (10 + 5, Plan(MEMBERS, 2)),
        (10 + 2.5, Plan(("maps",), 3)),
    ],
)
def test_what_is_dropped(project, monkeypatch, seconds, expected):
    clock = Steps()
    slow_members(monkeypatch, clock, maps=1.0, boxes=1.0)
    changes = []
    budget = Budget(seconds, ladder(MEMBERS), len(TEST), 1, clock)
    first, second = predict(project, budget=budget, changed=lambda *change: changes.append(change))
    assert first.stored["maps"].views == 4 and first.members == ("boxes", "maps")
    assert second.members == tuple(sorted(expected.members))
    assert second.stored["maps"].views == expected.views(4)
    assert clock.now <= seconds
    assert changes == ([] if expected.halvings == 0 else [("TS_9", expected)])


def test_out_of_time(project, monkeypatch):
    clock = Steps()
    slow_members(monkeypatch, clock, maps=1.0, boxes=1.0)
    first, second = predict(project, budget=Budget(10.5, ladder(MEMBERS), len(TEST), 1, clock))
    assert first.members == ("boxes", "maps")
    assert [str(failure) for failure in second.failures] == ["TS_9: not predicted: the time budget is spent"]
    clock.now = 0.0
    budget = Budget(0.5, ladder(MEMBERS), len(TEST), 1, clock)
    again = predict(project, budget=budget)  # what is there is used, whatever the time
    assert again[0].members == ("boxes", "maps")


def test_loading_models_is_no_measure_of_the_next_tomogram(project, monkeypatch):
    clock = Steps()
    slow_members(monkeypatch, clock, maps=1.0, boxes=1.0)
    load = FakeMember.load

    def load_slowly(self, directory, device):
        clock.now += 100
        return load(self, directory, device)

    monkeypatch.setattr(FakeMember, "load", load_slowly)
    first, second = predict(project, budget=Budget(430, ladder(MEMBERS), len(TEST), 1, clock))
    assert first.rest == second.rest == 0
    assert clock.now == 4 * 100 + 2 * 10  # four models are loaded; a tomogram takes 10 s
    assert second.stored["maps"].views == 4 and second.members == ("boxes", "maps")


def test_the_log_says_what_was_dropped(project, monkeypatch, capsys):
    clock = Steps()
    slow_members(monkeypatch, clock, maps=1.0, boxes=1.0)
    monkeypatch.setattr("submissions.prediction.submit.time.monotonic", clock)
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--run", "tiny", "--budget", "16s"])
    assert end.value.code == 0
    assert set(submission(project)["experiment"]) == set(TEST)
    out = capsys.readouterr().out
    assert "time budget: 16 s for 2 tomograms; if it is short: test-time views divided by 2; then" in out
    assert "time budget: from TS_9 on, dropped: test-time views divided by " in out


def test_expecting_more_tomograms_than_there_are(project, monkeypatch, capsys):
    clock = Steps()
    slow_members(monkeypatch, clock, maps=1.0, boxes=1.0)
    monkeypatch.setattr("submissions.prediction.submit.time.monotonic", clock)
    with pytest.raises(SystemExit):
        run_command(main, ["--run", "tiny", "--budget", "1m", "--expect", "20"])
    assert "for 20 tomograms" in (out := capsys.readouterr().out)
    assert "dropped: test-time views divided by 8; without " in out


def test_a_wrong_budget(project, capsys):
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--run", "tiny", "--budget", "long"])
    assert end.value.code == 2 and "--budget" in capsys.readouterr().err


def test_the_strongest_member_comes_first(project):
    path = project.root / RUN / "ensemble.json"
    record = read_json(path)
    for best in MEMBERS:
        record["scores"] = {member: {"nested": 0.8 if member == best else 0.3} for member in MEMBERS}
        write_json(path, record)
        assert members_in_use(load_ensemble(path), project.run)[0] == best


def test_of_a_hundred_tomograms_none_is_lost_with_one_of_two_devices(project, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(Specification, "of", lambda inference: FailingPrediction("cuda:1", 5, tmp_path))
    names, lines = [f"TS_{number}" for number in range(100)], []
    machine = Inference(project.run, project.dataset, Store(project.root / "store"), MEMBERS, "cuda:0")
    budget = Budget(None, ladder(MEMBERS), len(names), 2, time.monotonic)
    predictions = list(predict_all(machine, names, budget=budget, devices=("cuda:0", "cuda:1"), say=lines.append))
    assert sorted(prediction.experiment for prediction in predictions) == sorted(names)
    assert [str(failure) for prediction in predictions for failure in prediction.failures] == []
    assert budget.workers == 1
    first, second = lines
    assert "CUDA error" in first and "(cuda:1); it is predicted anew, elsewhere if possible" in first
    assert second.endswith("; cuda:1 is used no more")


def test_a_killed_process_costs_nothing_where_the_other_device_can_do_it(project, monkeypatch):
    monkeypatch.setenv("KILL_ONCE", str(project.root / "killed"))
    predictions = predict(project, devices=("cpu", "cpu"))
    assert (project.root / "killed").exists()
    assert all(prediction.members == ("boxes", "maps") for prediction in predictions)
