"""The command ``python -m models.pretrain``."""

import json
import os
from argparse import Namespace

import mrcfile
import numpy as np
import pytest
import torch

from models.pretrain import main
from models.training import pretrain_members
from models.weights import load_weights
from tests.models.test_contract import TINY
from tomograms.errors import InputError
from tomograms.kaggle_tree import write_run
from tomograms.particles import CZII

SETTINGS = {
    "unet": [f"unet.{k}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for k, v in TINY["unet"].items()],
    "yolo": ["yolo.batch=2"],
}


def command(member, out, *more):
    changes = [option for change in SETTINGS[member] if ".init" not in change for option in ("--set", change)]
    main(["--members", member, "--steps", "2", "--out", str(out), "--device", "cpu", *changes, *more])


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(pretrain_members, "SHAPE", (24, 48, 48))
    monkeypatch.setattr(pretrain_members, "VALIDATION_SHAPE", (24, 48, 48))
    monkeypatch.setattr(pretrain_members, "VALIDATION_RUNS", 1)


def test_simulated_tomograms_become_weights_with_a_card(small, tmp_path):
    command("unet", tmp_path)
    state, _ = load_weights(tmp_path / "unet" / "weights.safetensors")
    assert all(np.isfinite(t.float().numpy()).all() for t in state.values())
    card = json.loads((tmp_path / "unet" / "card.json").read_text())
    assert (card["member"], card["steps"], card["seed"], card["data"]) == ("unet", 2, 1, None)
    assert card["simulator"]["crowding"] == [3.0, 8.0]
    assert {"device", "date", "versions", "validation", "seconds"} <= set(card)
    before = (tmp_path / "unet" / "weights.safetensors").stat().st_mtime_ns
    command("unet", tmp_path)
    assert (tmp_path / "unet" / "weights.safetensors").stat().st_mtime_ns == before


def test_measured_densities_are_learned_and_named_by_their_content(small, tmp_path):
    maps, others = tmp_path / "maps", tmp_path / "others"
    for folder in (maps, others):
        folder.mkdir()
        for particle in CZII:
            beads = np.random.default_rng(1).normal(0, 1.5, (400, 3))
            grid, _ = np.histogramdd(beads, bins=(np.arange(-6, 7),) * 3)
            with mrcfile.new(folder / f"{particle.name}.mrc") as file:
                file.set_data(grid.astype(np.float32))
                file.voxel_size = 20.0
    command("unet", tmp_path / "out", "--maps", str(maps), "--others", str(others))
    card = json.loads((tmp_path / "out" / "unet" / "card.json").read_text())
    assert sorted(card["maps"]) == sorted(f"{particle.name}.mrc" for particle in CZII)
    assert len(set(card["maps"].values())) == 1 and str(tmp_path) not in json.dumps(card)


@pytest.mark.parametrize(
    ("device", "cores", "expected"),
    [("cuda:1", 16, ("cpu", 15)), ("cuda:1", 4, ("cuda:1", 0)), ("cpu", 16, ("cpu", 0))],
)
def test_many_cores_beside_a_gpu_simulate_for_it(device, cores, expected, monkeypatch):
    asked = []

    def stream(*arguments, device="cpu", processes=0, **more):
        asked.append((device, processes))
        return iter(["a", "b"])

    monkeypatch.setattr(pretrain_members, "stream_tomograms", stream)
    monkeypatch.setattr(pretrain_members, "usable_cores", lambda: cores)
    source, *_ = pretrain_members._simulated(Namespace(maps=None, others=None, seed=1), torch.device(device))
    source(0)
    assert asked == [("cpu", 0), expected]  # the validation's are two


@pytest.mark.parametrize(("member", "rate"), [("unet", "unet.fine_rate=0"), ("yolo", "yolo.fine_lr0=0")])
def test_a_training_may_start_from_an_earlier_one(small, tmp_path, member, rate):
    root = tree(tmp_path / "data", ["A", "B"])
    command(member, tmp_path / "first", "--data", str(root))
    command(member, tmp_path / "second", "--data", str(root), "--init", str(tmp_path / "first"), "--set", rate)
    first, second = (load_weights(tmp_path / run / member / "weights.safetensors")[0] for run in ("first", "second"))
    learned = [name for name in first if name.endswith(("weight", "bias"))]
    assert learned and all(torch.equal(first[name], second[name]) for name in learned)
    card = json.loads((tmp_path / "second" / member / "card.json").read_text())
    assert (card["started_from"]["steps"], card["started_from"]["started_from"]) == (2, None)


def tree(root, runs):
    rng = np.random.default_rng(0)
    for run in runs:
        volume = rng.normal(0, 1, (24, 48, 48)).astype(np.float32)
        picks = {p.name: np.empty((0, 3)) for p in CZII} | {"ribosome": np.array([[240.0, 200.0, 120.0]])}
        write_run(root, "train", run, volume=volume, voxel_size=10.0, picks=picks)
    return root


@pytest.mark.parametrize("member", ["unet", "yolo"])
def test_a_given_data_set_is_learned_and_its_last_runs_validate(small, tmp_path, member):
    root = tree(tmp_path / "data", ["A", "B", "C"])
    command(member, tmp_path / "out", "--data", str(root))
    card = json.loads((tmp_path / "out" / member / "card.json").read_text())
    assert (card["training_runs"], card["validation_runs"]) == (["A", "B"], ["C"])


def test_too_few_runs_are_refused(small, tmp_path):
    with pytest.raises(InputError, match="expected more than 1 runs with picks, but got 1"):
        command("unet", tmp_path / "out", "--data", str(tree(tmp_path / "data", ["A"])))


def test_another_request_is_refused(small, tmp_path):
    command("unet", tmp_path)
    with pytest.raises(InputError, match=r"request\.json: the pre-training was begun with seed = 1, but .* with 2"):
        command("unet", tmp_path, "--seed", "2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "0"], "--steps: expected at least 1, but got 0"),
        (["--minutes", "0"], "--minutes: expected a time above 0"),
        (["--seed", "77"], "expected a seed that is not the validation"),
        (["--seed", "20240611"], "or the phantom.s, but got 20240611"),
        (["--others", "x"], "--others: expected together with --maps"),
        (["--maps", "x", "--data", "y"], "--maps, --others: expected without --data"),
        (["--maps", "nowhere"], "nowhere: no such folder of maps"),
        (["--members", "resnet"], "expected some of unet, detector, yolo"),
        (["--members", "unet", "--set", "yolo.batch=2"], "expected a setting of unet"),
    ],
)
def test_bad_options_are_refused(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        main([*options, "--out", str(tmp_path)])


def test_each_member_is_a_job_of_its_own(tmp_path, capsys):
    root = tree(tmp_path / "data", ["A", "B", "C"])
    command("unet", tmp_path / "out", "--data", str(root), "--on", "local", "--jobs", "1")
    assert capsys.readouterr().out.strip() == "unet: done"
    assert json.loads((tmp_path / "out/unet/card.json").read_text())["steps"] == 2
    state = json.loads((tmp_path / "out/jobs/unet/state.json").read_text())
    assert state["state"] == "done" and state["pid"] != os.getpid()
    load_weights(tmp_path / "out/unet/weights.safetensors")
