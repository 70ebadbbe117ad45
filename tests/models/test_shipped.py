"""The weights that ship with the project."""

import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from models.initial import SHIPPED, find_initial
from models.registry import MEMBERS, get_member
from models.training.transfer import initial_weights
from models.unet.settings import IDENTITY
from models.weights import load_weights, read_card
from models.yolo.network import find_weights
from tomograms.files import read_json
from tomograms.particles import CZII, from_records


@pytest.fixture(params=sorted(MEMBERS))
def shipped(request):
    path = find_initial(request.param, "pretrained")
    assert path is not None
    return request.param, path


def test_they_are_small_and_half_precision(shipped):
    _, path = shipped
    assert path.stat().st_size <= 8e6
    state, _ = load_weights(path)
    assert {str(t.dtype) for t in state.values()} <= {"torch.float16", "torch.int64"}


def test_their_card_says_that_they_have_seen_simulated_tomograms_only(shipped):
    member, path = shipped
    card = read_json(path.parent / "card.json")
    assert (card["member"], card["data"]) == (member, None)
    low, high = card["simulator"]["crowding"]
    assert 1 < low < high == 8.0
    assert date.fromisoformat(card["date"]) >= date(2026, 1, 1)
    assert card["steps"] > 0
    assert 0 < card["validation"]["score"] < 1
    assert {"torch", "python"} <= set(card["versions"])


def test_they_know_every_species(shipped):
    import json

    _, path = shipped
    assert from_records(json.loads(read_card(path)["particles"])) == CZII


@pytest.mark.parametrize("preset", ["demo", "short", "full"])
@pytest.mark.parametrize("member", ["unet", "detector"])
def test_the_presets_of_networks_of_volumes_start_from_them_without_a_word(member, preset):
    kind = get_member(member)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kind.initial(kind.presets[preset]) == SHIPPED / member / "weights.safetensors"


@pytest.mark.parametrize("preset", ["demo", "short", "full"])
def test_the_yolo_presets_start_from_them_without_a_word(preset):
    assert find_weights(get_member("yolo").presets[preset]) == SHIPPED / "yolo" / "weights.safetensors"


def test_another_unet_starts_from_scratch_and_says_so():
    with pytest.warns(UserWarning, match="unet: no shipped weights have stem 8, .*, so it starts from scratch"):
        assert initial_weights("unet", replace(get_member("unet").presets["short"], stem=8), IDENTITY) is None


def test_they_are_packed_into_the_wheel():
    root = SHIPPED.parents[1]
    assert '"models"' in (root / "pyproject.toml").read_text()
    assert not [line for line in (root / ".gitignore").read_text().splitlines() if "safetensors" in line]
    assert Path(SHIPPED).is_relative_to(root / "models")
