import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest

from ensemble.clustering import MEAN_MODEL
from evaluation.run_directory import RunDirectory
from models.outputs import ClassMaps
from postproc.candidates import concatenate
from postproc.convert import to_candidates
from submissions.prediction.averaging import MeanMaps, load_models, one_per_member, predict_member
from submissions.prediction.final import model_folders
from tests.submissions.fakes import MapsPredictor
from tomograms.errors import InputError
from tomograms.particles import CZII


def maps(value, stride=2, shape=(2, 3, 4, 5)):
    return ClassMaps(np.full(shape, value, np.float16), stride, (0.5, 0.5, 0.5))


def test_the_mean_is_that_of_logits():
    mean = MeanMaps()
    for value in (1.0, 2.0, 6.0):
        mean.add(maps(value))
    result = mean.mean()
    assert result.logits.dtype == np.float16 and np.all(result.logits == 3.0)
    assert (result.stride, result.origin) == (2, (0.5, 0.5, 0.5))


def test_large_logits_do_not_overflow_in_the_sum():
    mean = MeanMaps()
    for _ in range(4):
        mean.add(maps(60000.0))
    assert np.all(mean.mean().logits == np.float16(60000.0))


@pytest.mark.parametrize("other", [{"stride": 1}, {"shape": (2, 3, 4, 6)}])
def test_maps_on_different_grids_are_refused(other):
    mean = MeanMaps()
    mean.add(maps(1.0))
    with pytest.raises(InputError, match="different settings"):
        mean.add(maps(1.0, **other))


@pytest.mark.parametrize("member", ["maps", "boxes"])
def test_singles_and_average_of_a_tomogram(project, member):
    run, tomogram = project.run, project.dataset.tomogram("TS_8")
    models = load_models(member, model_folders(run, member), device="cpu")
    assert list(models) == [f"TS_{i}/{member}-8620" for i in (1, 2)]
    seen = []
    table = predict_member(tomogram, models, particles=CZII, member=member, advance=seen.append)
    assert seen == list(models)
    assert set(table["model"]) == {*models, MEAN_MODEL}
    assert set(table["experiment"]) == {"TS_8"} and set(table["member"]) == {member}
    for name, model in models.items():
        own = to_candidates(model.predict(tomogram), CZII, 10.0, experiment="TS_8", member=member, model=name)
        got = table[table["model"] == name].reset_index(drop=True)
        assert got.equals(own)


def test_one_model_is_its_own_average(project):
    tomogram = project.dataset.tomogram("TS_8")
    models = load_models("maps", model_folders(project.run, "maps"), device="cpu")
    name = next(iter(models))
    table = predict_member(tomogram, {name: models[name]}, particles=CZII, member="maps")
    averaged = one_per_member(table, project.run, matched=False)
    single = table[table["model"] == name].reset_index(drop=True)
    assert averaged.drop(columns="model").equals(single.drop(columns="model"))


def test_matching_changes_scores_only(project):
    tomogram = project.dataset.tomogram("TS_8")
    table = predict_member(
        tomogram, load_models("maps", model_folders(project.run, "maps"), device="cpu"), particles=CZII, member="maps"
    )
    matched, unmatched = (one_per_member(table, project.run, matched=matched) for matched in (True, False))
    place = ["particle_type", "z", "y", "x"]
    a, b = matched.sort_values(place), unmatched.sort_values(place)
    assert np.array_equal(a[["x", "y", "z"]], b[["x", "y", "z"]])
    assert not np.array_equal(a["score"], b["score"])
    assert set(matched["model"]) == set(unmatched["model"]) == {MEAN_MODEL}


def test_two_outputs_are_held_at_most(project):
    class Watched(MapsPredictor):
        outputs: list[weakref.ref] = []  # noqa: RUF012

        def predict(self, tomogram, *, views=None):
            assert all(output() is None for output in self.outputs[:-1])
            output = super().predict(tomogram)
            self.outputs.append(weakref.ref(output))
            return output

    known = next(iter(load_models("maps", model_folders(project.run, "maps"), device="cpu").values())).known
    models = {str(i): Watched(known) for i in range(4)}
    predict_member(project.dataset.tomogram("TS_8"), models, particles=CZII, member="maps")
    assert len(Watched.outputs) == 4


def test_candidates_are_found_while_the_next_model_predicts(project, monkeypatch):
    begun, predicting = threading.Event(), threading.Event()

    def watched(*arguments, **options):
        begun.set()
        assert predicting.wait(60)  # or the two would take turns
        return to_candidates(*arguments, **options)

    class Second(MapsPredictor):
        def predict(self, tomogram, *, views=None):
            assert begun.wait(60)
            predicting.set()
            return super().predict(tomogram)

    monkeypatch.setattr("submissions.prediction.averaging.to_candidates", watched)
    first = next(iter(load_models("maps", model_folders(project.run, "maps"), device="cpu").values()))
    models = {"first": first, "second": Second(first.known)}
    table = predict_member(project.dataset.tomogram("TS_8"), models, particles=CZII, member="maps")
    assert set(table["model"]) == {"first", "second", MEAN_MODEL}


def test_an_error_while_candidates_are_found_is_raised(project, monkeypatch):
    def fails(*arguments, **options):
        raise InputError("no candidates today")

    monkeypatch.setattr("submissions.prediction.averaging.to_candidates", fails)
    models = load_models("maps", model_folders(project.run, "maps"), device="cpu")
    with pytest.raises(InputError, match="no candidates today"):
        predict_member(project.dataset.tomogram("TS_8"), models, particles=CZII, member="maps")


def test_with_several_seeds_a_folds_average_is_the_single_model(project):
    tomogram = project.dataset.tomogram("TS_8")
    models = load_models("maps", model_folders(project.run, "maps"), device="cpu")
    table = predict_member(tomogram, models, particles=CZII, member="maps")
    run = project.run
    twice = RunDirectory(run.path, replace(run.record, seeds=(8620, 8621)))
    doubled = concatenate(
        [table, table[table["model"] != MEAN_MODEL].replace({"model": r"-8620$"}, "-8621", regex=True)]
    )
    # Two seeds that agree: the fold's average is either of them.
    got, expected = one_per_member(doubled, twice), one_per_member(table, run)
    assert np.allclose(got["score"], expected["score"], atol=1e-12)
    assert got["particle_type"].equals(expected["particle_type"])
