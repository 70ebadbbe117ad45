import weakref

import numpy as np
import pandas as pd
import pytest

from ensemble.clustering import MEAN_MODEL
from models.outputs import ClassMaps
from postproc.convert import to_candidates
from submissions.prediction.averaging import MeanMaps, load_models, predict_member
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
def test_models_become_one_list(project, member):
    run, tomogram = project.run, project.dataset.tomogram("TS_8")
    models = load_models(member, model_folders(run, member), device="cpu")
    assert list(models) == [f"TS_{i}/{member}-8620" for i in (1, 2)]
    seen = []
    table = predict_member(tomogram, models, particles=CZII, member=member, advance=seen.append)
    assert seen == list(models)
    assert set(table["model"]) == {MEAN_MODEL}
    assert set(table["experiment"]) == {"TS_8"} and set(table["member"]) == {member}


@pytest.mark.parametrize("member", ["maps", "boxes"])
def test_one_model_is_its_own_average(project, member):
    tomogram = project.dataset.tomogram("TS_8")
    models = load_models(member, model_folders(project.run, member), device="cpu")
    name, model = next(iter(models.items()))
    table = predict_member(tomogram, {name: model}, particles=CZII, member=member)
    own = to_candidates(model.predict(tomogram), CZII, 10.0, experiment="TS_8", member=member, model=MEAN_MODEL)
    pd.testing.assert_frame_equal(table, own)


def test_agreeing_models_give_what_each_gives(project):
    tomogram = project.dataset.tomogram("TS_8")
    model = next(iter(load_models("maps", model_folders(project.run, "maps"), device="cpu").values()))
    one, two = (
        predict_member(tomogram, dict.fromkeys(names, model), particles=CZII, member="maps") for names in ("a", "ab")
    )
    pd.testing.assert_frame_equal(one, two)


def test_models_that_share_work_are_asked_together(project):
    class Sharing(MapsPredictor):
        @staticmethod
        def together(models, tomogram, *, views=None, advance):
            advance("all")
            return [models[1].predict(tomogram, views=views)]

    known = [m.known for m in load_models("maps", model_folders(project.run, "maps"), device="cpu").values()]
    models = {name: Sharing(k) for name, k in zip("ab", known, strict=True)}
    tomogram, seen = project.dataset.tomogram("TS_8"), []
    table = predict_member(tomogram, models, particles=CZII, member="maps", advance=seen.append)
    own = to_candidates(models["b"].predict(tomogram), CZII, 10.0, experiment="TS_8", member="maps", model=MEAN_MODEL)
    pd.testing.assert_frame_equal(table, own)
    assert seen == ["all"]


def test_one_output_is_held_at_a_time(project):
    class Noted(MapsPredictor):
        outputs: list[weakref.ref] = []  # noqa: RUF012

        def predict(self, tomogram, *, views=None):
            assert all(output() is None for output in self.outputs)
            output = super().predict(tomogram)
            self.outputs.append(weakref.ref(output))
            return output

    known = next(iter(load_models("maps", model_folders(project.run, "maps"), device="cpu").values())).known
    models = {str(i): Noted(known) for i in range(4)}
    predict_member(project.dataset.tomogram("TS_8"), models, particles=CZII, member="maps")
    assert len(Noted.outputs) == 4


def test_an_error_while_candidates_are_found_is_raised(project, monkeypatch):
    def fails(*arguments, **options):
        raise InputError("no candidates today")

    monkeypatch.setattr("submissions.prediction.averaging.to_candidates", fails)
    models = load_models("maps", model_folders(project.run, "maps"), device="cpu")
    with pytest.raises(InputError, match="no candidates today"):
        predict_member(project.dataset.tomogram("TS_8"), models, particles=CZII, member="maps")
