"""Pre-training, over all members: it learns, can be cut off, and its weights start a training."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.member import Training
from models.registry import MEMBERS, get_member
from models.training.pretraining import Plan, pretrain
from models.weights import load_weights
from tests.models.test_contract import PARTICLES, TINY, candidates, tomogram

PLAN = Plan(steps=6, minutes=0.0, pool=2, renew=2, look=2)


def source(start):
    while True:
        yield tomogram(f"SIM_{start}", start)
        start += 1


def run(name, directory, *, stop_after=None, plan=PLAN):
    member = get_member(name)
    settings = replace(member.presets["demo"], **TINY[name])
    learner = member.learner(particles=PARTICLES, settings=settings, seed=3, device="cpu")
    told = []

    def advance(done, total, note):
        told.append((done, total, note))
        if stop_after is not None and learner.step >= stop_after:
            raise KeyboardInterrupt

    directory.mkdir(parents=True, exist_ok=True)
    validation = [tomogram("SIM_V", 99)]
    pretrain(learner, source, validation, plan, seed=3, directory=directory, card={"why": "test"}, advance=advance)
    return told


@pytest.fixture(scope="module", params=sorted(MEMBERS))
def pretrained(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(f"pretrained-{request.param}")
    return request.param, directory, run(request.param, directory)


def test_weights_are_half_precision_and_the_card_says_how_they_came_about(pretrained):
    name, directory, told = pretrained
    state, card = load_weights(directory / "weights.safetensors")
    assert {str(t.dtype) for t in state.values()} <= {"torch.float16", "torch.int64"}
    assert card["member"] == name
    written = json.loads((directory / "card.json").read_text())
    assert (written["why"], written["steps"]) == ("test", 6)
    assert 0 <= written["validation"]["score"] <= 1
    history = pd.read_csv(directory / "history.csv")
    assert history["step"].tolist() == [2, 4, 6]
    assert told[-1][:2] == (6, 6)
    assert not (directory / "checkpoint.pt").exists()


def test_an_interrupted_pre_training_ends_as_an_uninterrupted_one(pretrained, tmp_path):
    name, directory, _ = pretrained
    with pytest.raises(KeyboardInterrupt):
        run(name, tmp_path, stop_after=3)
    run(name, tmp_path)
    expected, _ = load_weights(directory / "weights.safetensors")
    found, _ = load_weights(tmp_path / "weights.safetensors")
    assert all(np.array_equal(expected[key], found[key]) for key in expected)
    assert (directory / "history.csv").read_text() == (tmp_path / "history.csv").read_text()


def test_training_starts_from_the_weights(pretrained, tmp_path):
    name, directory, _ = pretrained
    settings = replace(get_member(name).presets["demo"], **TINY[name])
    crops = {"fine_rate": 1e-12, "ema": 0.0}
    frozen = {"unet": crops, "detector": crops, "yolo": {"fine_lr0": 1e-12, "ema_decay": 0.0}}[name]
    train, picks = tomogram("TS_0", 0)
    changed = replace(settings, init=str(directory / "weights.safetensors"), **frozen)
    training = Training([train], picks, None, PARTICLES, changed, 1, tmp_path, "cpu")
    get_member(name).fit(training, lambda *news: None)
    first, _ = load_weights(directory / "weights.safetensors")
    then, _ = load_weights(tmp_path / "weights.safetensors")
    kernels = [key for key, value in first.items() if value.ndim > 3]
    assert kernels
    assert all(np.allclose(first[key], then[key], atol=1e-3) for key in kernels)
    assert set(candidates(name, tmp_path)["particle_type"]) <= {"ball", "shell"}


def test_a_time_limit_ends_the_training(tmp_path):
    told = run("unet", tmp_path, plan=replace(PLAN, steps=0, minutes=1e-4))
    assert told[-1][:2] == (1000, 1000)
