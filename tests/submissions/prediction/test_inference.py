import shutil
import threading

import pandas as pd
import pytest
import torch

from compute.faults import DeviceError
from submissions.prediction.budget import Plan
from submissions.prediction.final import model_folders
from submissions.prediction.inference import Inference
from submissions.prediction.store import Store, prediction_key, weights_key
from tests.submissions.conftest import RUN, TEST
from tests.submissions.fakes import BoxesPredictor, MapsMember, MapsPredictor
from tomograms.dataset import Dataset
from tomograms.errors import InputError
from tomograms.ome_zarr import ZarrVolume

STORE = RUN / "test"
PLAN = Plan(("boxes", "maps"))


def calls():
    return MapsPredictor.calls, BoxesPredictor.calls


def inference(project, path="store"):
    return Inference(project.run, project.dataset, Store(project.root / path), ("boxes", "maps"), "cpu")


def everything(project, path="store"):
    machine = inference(project, path)
    return [machine.predict(name, PLAN) for name in TEST]


def damage(project, experiment):
    next((project.data / "test/static/ExperimentRuns" / experiment).glob("**/0/0/0/0")).write_bytes(b"broken")


def test_every_tomogram_and_member(project):
    predictions = everything(project)
    assert [p.experiment for p in predictions] == list(TEST)
    for prediction in predictions:
        assert prediction.members == ("boxes", "maps") and prediction.failures == ()
        assert set(prediction.candidates["member"]) == {"boxes", "maps"}
        assert set(prediction.candidates["experiment"]) == {prediction.experiment}
    assert calls() == (4, 4)  # two tomograms, two fold models each


@pytest.fixture
def reads(monkeypatch):
    """Return what was hashed and read, and whether a thread did it."""
    seen = []

    def noted(name, own):
        def reads(self, run):
            seen.append((name, run, threading.current_thread() is not threading.main_thread()))
            return own(self, run)

        return reads

    for name in ("volume_hash", "tomogram"):
        monkeypatch.setattr(Dataset, name, noted(name, getattr(Dataset, name)))
    return seen


def test_the_next_tomogram_is_read_meanwhile_and_each_once(project, reads):
    first, second = TEST
    machine = inference(project)
    alone = everything(project, "alone")
    reads.clear()
    found = [machine.predict(first, PLAN, following=second), machine.predict(second, PLAN)]
    assert reads == [(name, run, run == second) for run in TEST for name in ("volume_hash", "tomogram")]
    for a, b in zip(alone, found, strict=True):
        pd.testing.assert_frame_equal(a.candidates, b.candidates)


def test_another_tomogram_than_was_expected_is_read_now(project, reads):
    first, second = TEST
    machine = inference(project)
    found = machine.predict(first, PLAN, following=second), machine.predict(first, PLAN)
    assert [p.experiment for p in found] == [first, first] and ("volume_hash", first, False) in reads[2:]


def test_what_is_kept_is_not_read_ahead(predicted, reads):
    machine = inference(predicted, STORE)
    for name, following in ((TEST[0], TEST[1]), (TEST[1], None)):
        assert machine.predict(name, PLAN, following=following).members == PLAN.members
    assert {name for name, _, _ in reads} == {"volume_hash"}


def test_a_damaged_tomogram_is_reported_in_its_turn(project):
    damage(project, "TS_9")
    machine = inference(project)
    fine, broken = machine.predict("TS_8", PLAN, following="TS_9"), machine.predict("TS_9", PLAN)
    assert fine.failures == () and "intact chunk" in str(broken.failures[0])


def test_what_was_predicted_is_read_and_equal(predicted):
    first = everything(predicted)
    assert calls() == (4, 4)
    second = everything(predicted)
    assert calls() == (4, 4)
    for a, b in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(a.candidates, b.candidates)


def test_cut_off_after_one_tomogram_and_begun_again(predicted):
    whole = everything(predicted, STORE)
    inference(predicted).predict(TEST[0], PLAN)
    again = everything(predicted)
    assert calls() == (4, 4)
    for a, b in zip(whole, again, strict=True):
        pd.testing.assert_frame_equal(a.candidates, b.candidates)


@pytest.mark.parametrize("file", ["maps.parquet", "maps.json"])
def test_a_prediction_that_was_cut_off_while_written_is_made_again(predicted, file):
    (predicted.root / STORE / "TS_8" / file).write_bytes(b"")
    everything(predicted, STORE)
    assert calls() == (2, 0)


def test_new_weights_make_new_predictions(predicted):
    before = everything(predicted, STORE)
    jobs = predicted.run.jobs("maps")
    shutil.copy(jobs[0] / "weights.safetensors", jobs[1] / "weights.safetensors")
    after = everything(predicted, STORE)
    assert calls() == (4, 0)
    assert not before[0].candidates.equals(after[0].candidates)


def test_another_tomogram_of_the_same_name_makes_new_predictions(predicted):
    runs = predicted.data / "test/static/ExperimentRuns"
    shutil.rmtree(runs / "TS_9")
    shutil.copytree(runs / "TS_8", runs / "TS_9")
    everything(predicted, STORE)
    assert calls() == (2, 2)


def test_the_key_names_what_counts(project):
    weights = weights_key(model_folders(project.run, "maps"))
    assert list(weights) == [f"TS_{i}/maps-8620" for i in (1, 2)]
    volumes = [project.dataset.source.volume(name).fingerprint() for name in TEST]
    keys = [prediction_key(volume, weights) for volume in volumes]
    assert keys[0] != keys[1] and set(keys[0]) == {"volume", "weights", "code"}


def test_missing_or_truncated_weights_end_the_run(project):
    weights = project.run.jobs("maps")[1] / "weights.safetensors"
    weights.write_text('{"truth": ')
    with pytest.raises(InputError, match=str(weights)):
        everything(project)
    weights.unlink()
    with pytest.raises(InputError, match="has not finished"):
        everything(project)


def test_a_damaged_tomogram_is_reported_and_the_others_go_on(project):
    damage(project, "TS_8")
    broken, fine = everything(project)
    assert broken.candidates.empty and broken.members == ()
    (failure,) = broken.failures
    assert str(failure).startswith("TS_8: ") and "intact chunk" in str(failure) and "\n" not in str(failure)
    assert fine.members == ("boxes", "maps") and not fine.failures


def test_a_member_that_fails_is_reported_and_the_others_go_on(project, monkeypatch):
    predict = MapsPredictor.predict

    def fail_once(self, tomogram, *, views=None):
        if tomogram.name == "TS_8":
            raise RuntimeError("out of\nmemory")
        return predict(self, tomogram)

    monkeypatch.setattr(MapsPredictor, "predict", fail_once)
    broken, fine = everything(project)
    assert broken.members == ("boxes",) and set(broken.candidates["member"]) == {"boxes"}
    assert [str(f) for f in broken.failures] == ["TS_8: maps: RuntimeError: out of memory"]
    assert fine.members == ("boxes", "maps")

    monkeypatch.setattr(MapsPredictor, "predict", predict)
    MapsPredictor.calls = BoxesPredictor.calls = 0
    assert everything(project)[0].members == ("boxes", "maps")
    assert calls() == (2, 0)


def test_progress_names_tomogram_and_model(project):
    seen = []
    inference(project).predict("TS_8", PLAN, advance=seen.append)
    assert len(seen) == 4 and seen[0] == "TS_8 TS_1/boxes-8620"


def test_fewer_views_and_members(project):
    machine = inference(project)
    MapsPredictor.work = 0
    prediction = machine.predict("TS_8", Plan(("maps",), halvings=1))
    assert prediction.members == ("maps",) and calls() == (2, 0) and MapsPredictor.work == 2 * 2
    stored = prediction.stored["maps"]
    assert (stored.views, stored.full) == (2, 4)
    assert machine.predict("TS_8", Plan(("maps",), halvings=2)).stored["maps"].views == 2  # better than asked for
    assert calls() == (2, 0)
    MapsPredictor.work = 0
    assert machine.predict("TS_8", PLAN).stored["maps"].views == 4
    assert calls() == (4, 2) and MapsPredictor.work == 2 * 4


def test_changed_code_makes_new_predictions(predicted, monkeypatch):
    everything(predicted, STORE)
    assert calls() == (0, 0)
    monkeypatch.setattr("submissions.prediction.store.code_version", lambda: "another")
    everything(predicted, STORE)
    assert calls() == (4, 4)


def test_a_volume_is_hashed_once_a_tomogram(project, monkeypatch):
    hashed = []
    fingerprint = ZarrVolume.fingerprint

    def count(self):
        hashed.append(self.source)
        return fingerprint(self)

    monkeypatch.setattr(ZarrVolume, "fingerprint", count)
    inference(project).predict("TS_8", PLAN)
    assert len(hashed) == 1


def test_a_member_that_left_the_ensemble_is_no_obstacle(predicted):
    """What it predicted under a time budget, with fewer views, lies beside what is predicted now."""
    inference(predicted).predict("TS_8", Plan(("boxes", "maps"), halvings=2))
    rest = Inference(predicted.run, predicted.dataset, Store(predicted.root / "store"), ("boxes",), "cpu")
    assert rest.predict("TS_8", Plan(("boxes",))).members == ("boxes",)


def fails(monkeypatch, error):
    def predict(self, tomogram, *, views=None):
        raise error

    monkeypatch.setattr(MapsPredictor, "predict", predict)


def test_a_fault_of_the_device_is_no_failure_of_the_tomogram(project, monkeypatch):
    fails(monkeypatch, RuntimeError("CUDA error: an illegal memory access was encountered"))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        inference(project).predict("TS_8", PLAN)


def test_other_errors_are(project, monkeypatch):
    fails(monkeypatch, RuntimeError("shapes cannot be multiplied"))
    prediction = inference(project).predict("TS_8", PLAN)
    assert prediction.members == ("boxes",) and "shapes" in str(prediction.failures[0])


def test_out_of_memory_halves_the_views(project, monkeypatch):
    seen = MapsPredictor.predict

    def predict(self, tomogram, *, views=None):
        if views > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return seen(self, tomogram, views=views)

    monkeypatch.setattr(MapsPredictor, "predict", predict)
    prediction = inference(project).predict("TS_8", PLAN)
    assert (prediction.stored["maps"].views, prediction.stored["maps"].full) == (1, 4)
    assert prediction.failures == ()


def test_out_of_memory_with_one_view_is_a_failure_of_the_member(project, monkeypatch):
    fails(monkeypatch, torch.OutOfMemoryError("CUDA out of memory"))
    prediction = inference(project).predict("TS_8", PLAN)
    assert prediction.members == ("boxes",) and "out of memory" in str(prediction.failures[0])


def test_models_that_a_device_cannot_load_are_its_fault_and_damaged_ones_are_not(project, monkeypatch):
    load = MapsMember.load

    def cannot(self, directory, device):
        raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable")

    monkeypatch.setattr(MapsMember, "load", cannot)
    with pytest.raises(DeviceError, match="cpu cannot load maps: RuntimeError: CUDA error: all"):
        inference(project).predict("TS_8", PLAN)
    monkeypatch.setattr(MapsMember, "load", load)
    (project.run.jobs("maps")[0] / "weights.safetensors").write_text("{")
    with pytest.raises(InputError, match="complete weights") as raised:
        inference(project).predict("TS_8", PLAN)
    assert not isinstance(raised.value, DeviceError)
