import copy
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.initial import SHIPPED
from models.member import Training, Validation
from models.registry import get_member
from models.settings import resolve_settings
from models.yolo.dataset import write_dataset
from models.yolo.member import YoloMember
from models.yolo.network import find_weights, load_pretrained
from models.yolo.settings import DEMO, FULL, SHORT, YoloSettings, check_settings, presets
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

PARTICLES = (Particle("ball", 1, 60.0, 1.0), Particle("shell", 2, 90.0, 2.0))
PICKS = pd.DataFrame(
    [
        ("TS_1", "ball", 150.0, 150.0, 80.0),
        ("TS_1", "shell", 400.0, 200.0, 80.0),
        ("TS_1", "shell", 250.0, 500.0, 70.0),
    ],
    columns=["experiment", "particle_type", "x", "y", "z"],
)
TINY = replace(DEMO, init="scratch", epochs=1, warmup_epochs=0.0, step=4, batch=2)


def tomogram(name="TS_1"):
    volume = np.random.default_rng(0).normal(0, 1, (16, 64, 64)).astype(np.float32)
    return Tomogram(name, volume, 10.0)


def asked(directory, settings=TINY, validation=None, picks=PICKS):
    return Training([tomogram()], picks, validation, PARTICLES, settings, 1, directory, "cpu")


def fit(directory, settings=TINY, validation=None):
    directory.mkdir(parents=True, exist_ok=True)
    told = []
    YoloMember().fit(asked(directory, settings, validation), lambda *news: told.append(news))
    return told


@pytest.fixture
def training(tmp_path):
    """Makes Ultralytics' training data set, as the trainer makes it."""

    def make(settings):
        from ultralytics.cfg import get_cfg
        from ultralytics.data.utils import check_det_dataset

        from models.yolo.arguments import arguments
        from models.yolo.training import SliceDataset

        data, side = write_dataset(tmp_path, asked(tmp_path, settings))
        hyper = get_cfg(
            overrides=arguments(settings, data=data, side=side, seed=1, directory=tmp_path / "out", device="cpu")
        )
        dataset = SliceDataset(
            img_path=str(tmp_path / "images" / "train"),
            data=check_det_dataset(str(data)),
            imgsz=side,
            batch_size=1,
            hyp=hyper,
            cache="ram",
        )
        dataset.transpose = settings.transpose
        return dataset

    return make


PLAIN = replace(
    TINY,
    step=16,
    degrees=0.0,
    fliplr=0.0,
    flipud=0.0,
    transpose=0.0,
    zflip=0.0,
    translate=0.0,
    brightness=0.0,
    label_fraction=0.0,
)


def test_the_data_set_lies_in_the_usual_folders(tmp_path):
    validation = Validation(tomogram("TS_9"), PICKS.assign(experiment="TS_9"))
    path, side = write_dataset(tmp_path, asked(tmp_path, replace(TINY, step=4), validation))
    assert (path, side) == (tmp_path / "data.yaml", 64)
    stems = [f"TS_1_{z:04d}" for z in (1, 5, 9, 13)]
    assert sorted(p.stem for p in (tmp_path / "images" / "train").iterdir()) == stems
    assert sorted(p.stem for p in (tmp_path / "labels" / "train").iterdir()) == stems
    assert {p.stem[:4] for p in (tmp_path / "images" / "val").iterdir()} == {"TS_9"}
    lines = (tmp_path / "labels" / "train" / "TS_1_0009.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1", "1"]
    corners = np.array(lines[0].split()[1:], float).reshape(-1, 2) * 64
    # Slice 9 cuts the ball (radius 6, centre z 8) at dz = 1; continuous coordinates put voxel 15's centre at 15.5.
    np.testing.assert_allclose(corners.mean(axis=0), [15.5, 15.5], atol=1e-4)
    np.testing.assert_allclose(np.ptp(corners, axis=0) / 2, np.sqrt(36 - 1), atol=1e-4)


def test_ultralytics_sees_the_circles_and_the_slabs_in_order(training):
    item = training(PLAIN)[0]
    assert item["img"].shape == (3, 64, 64)
    assert item["cls"].ravel().tolist() == [0, 1, 1]
    radius = np.sqrt(np.array([36, 81, 81]) - np.array([1, 1, 0]))  # slice 7; centres at z = 8, 8, 7
    np.testing.assert_allclose(item["bboxes"][:, 2:] * 64, np.stack([2 * radius] * 2, axis=1), rtol=0.02)
    volume = tomogram().volume
    for channel, z in enumerate((5, 7, 9)):
        expected = np.clip(np.rint(volume[z] * 16 + 114), 0, 255)
        assert (item["img"][channel].numpy() == expected).all()


def test_rotation_does_not_inflate_the_boxes(training):
    plain = training(PLAIN)[0]["bboxes"][:, 2:].numpy()
    dataset = training(replace(PLAIN, degrees=45.0))
    for _ in range(10):
        turned = dataset[0]["bboxes"].numpy()
        whole = (np.abs(turned[:, :2] - 0.5) + turned[:, 2:] / 2 < 0.5).all(axis=1)  # not cut off at an edge
        assert len(turned) == len(plain)
        np.testing.assert_allclose(turned[whole, 2:], plain[whole], rtol=0.03)


def test_copy_paste_really_pastes_objects(training):
    assert len(training(PLAIN)[0]["cls"]) == 3
    dataset = training(replace(PLAIN, copy_paste=1.0))
    pasted = dataset[0]
    assert len(pasted["cls"]) > 3
    assert (pasted["img"] != training(PLAIN)[0]["img"]).any()


def test_transposing_swaps_rows_and_columns_of_image_and_boxes(training):
    plain, turned = training(PLAIN)[0], training(replace(PLAIN, transpose=1.0))[0]
    assert (turned["img"] == plain["img"].transpose(1, 2)).all()
    np.testing.assert_allclose(turned["bboxes"], plain["bboxes"][:, [1, 0, 3, 2]], atol=1e-6)


def test_zflip_reverses_the_slabs(training):
    plain, turned = training(PLAIN)[0], training(replace(PLAIN, zflip=1.0))[0]
    assert (turned["img"] == plain["img"].flip(0)).all()


def test_training_touches_neither_network_nor_home(tmp_path):
    script = f"""
import socket, sys, warnings
warnings.simplefilter("error")
asked = []
def refuse(*arguments, **options):
    asked.append(arguments)  # what is raised here may be caught
    raise OSError("a connection was tried")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pathlib import Path
from tests.models.yolo.test_yolo import fit, tomogram
from models.yolo.member import YoloMember
fit(Path("job"))
YoloMember().load(Path("job"), "cpu").predict(tomogram())
assert not asked, asked
"""
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    hidden = ("YOLO_CONFIG_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "YOLO_OFFLINE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert list(home.rglob("*")) == []
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == [
        "job",
        "job/history.csv",
        "job/loss.png",
        "job/metric.png",
        "job/weights.safetensors",
    ]


def test_history_tells_losses_and_the_validation_metric(tmp_path):
    told = fit(tmp_path, replace(TINY, epochs=2, watch_every=2), Validation(tomogram("TS_9"), PICKS))
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["step"].tolist() == [2, 4]
    assert (history[["loss", "box_loss", "cls_loss", "dfl_loss"]] > 0).all(axis=None)
    assert history["watch_map50"].isna().tolist() == [True, False]
    assert [news[:2] for news in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_validation_tomogram_without_picks_is_no_obstacle(tmp_path):
    fit(tmp_path, validation=Validation(tomogram("TS_9"), PICKS.iloc[:0]))
    assert pd.read_csv(tmp_path / "history.csv")["watch_map50"].tolist() == [0.0]


def test_training_without_picks_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected picks in the training tomograms, but TS_1 have none"):
        write_dataset(tmp_path, asked(tmp_path, picks=PICKS.iloc[:0]))


def test_the_slices_can_be_kept(tmp_path):
    fit(tmp_path, replace(TINY, keep_images=True))
    assert {path.name for path in (tmp_path / "slices").iterdir()} == {"images", "labels", "data.yaml"}
    assert not (tmp_path / "ultralytics").exists()


def test_a_loss_that_is_not_finite_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match=r"the loss is \w+ after epoch 1; lower --set yolo"):
        fit(tmp_path, replace(TINY, box=1e45))


def test_weights_of_another_network_are_refused(tmp_path):
    from models.weights import load_weights, save_weights

    fit(tmp_path)
    path = tmp_path / "weights.safetensors"
    state, card = load_weights(path)
    save_weights(path, state, card | {"settings": card["settings"].replace("yolo11n", "yolo11s")})
    with pytest.raises(InputError, match=r"weights\.safetensors: expected weights of the network that its card"):
        YoloMember().load(tmp_path, "cpu")
    save_weights(path, state, {})
    with pytest.raises(InputError, match=r"weights\.safetensors: expected the card of a yolo member"):
        YoloMember().load(tmp_path, "cpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network", "resnet"),
        ("optimizer", "best"),
        ("epochs", 0),
        ("zoom", 0.0),
        ("mosaic", 1.5),
        ("views", 3),
        ("gap", -1),
    ],
)
def test_impossible_settings_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=rf"--set yolo\.{name}: expected .* but got"):
        check_settings(replace(YoloSettings(), **{name: value}))


def test_the_full_preset_is_the_published_recipe_with_a_rate_and_an_average_that_fit_its_steps():
    check_settings(FULL)
    assert (FULL.epochs, FULL.warmup_epochs, FULL.batch, FULL.optimizer) == (100, 10.0, 32, "AdamW")
    assert (FULL.degrees, FULL.shear, FULL.fliplr, FULL.flipud) == (45.0, 5.0, 0.5, 0.5)
    assert FULL.mixup > 0
    assert FULL.copy_paste > 0
    assert FULL.lr0 == SHORT.lr0 and FULL.fine_lr0 == SHORT.fine_lr0
    steps = FULL.epochs * math.ceil(6 * 184 / FULL.batch)
    decay = FULL.ema_decay * (1 - math.exp(-steps / FULL.ema_steps))  # Ultralytics'
    assert 0.05 * steps < 1 / (1 - decay) < 0.15 * steps


def test_full_trains_the_shipped_network_unless_weights_of_ultralytics_lie_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    full = resolve_settings("yolo", "full", [])
    assert full == FULL and full.network == SHORT.network
    assert find_weights(full) == SHIPPED / "yolo" / "weights.safetensors"
    for name in ("yolo11m.pt", "yolo11l.pt", "yolo26x.pt"):
        Path(name).touch()
    assert resolve_settings("yolo", "full", []) == replace(FULL, network="yolo11l")
    assert find_weights(resolve_settings("yolo", "full", [])) == Path("yolo11l.pt")
    assert resolve_settings("yolo", "full", ["yolo.network=yolo11s"]).network == "yolo11s"
    assert presets()["short"] == SHORT and presets()["demo"] == DEMO


@pytest.mark.parametrize(
    ("workers", "device", "free", "expected"),
    [
        (8, "cpu", 1 << 40, 0),
        (8, "cuda:0", 64 << 20, 0),  # a container's: not even one batch of 32 images of 640 x 640, twice
        (8, "cuda:0", 1 << 30, 6),
        (8, "cuda:0", 1 << 40, 8),
        (0, "cuda:0", 1 << 40, 0),
    ],
)
def test_processes_that_prepare_batches(monkeypatch, workers, device, free, expected):
    from models.yolo import arguments

    monkeypatch.setattr(arguments, "shared_memory", lambda: free)
    monkeypatch.setattr(arguments, "usable_cores", lambda: 16)
    settings = replace(FULL, workers=workers)
    assert arguments.loader_processes(settings, device=device, side=640) == expected
    monkeypatch.setattr(arguments, "usable_cores", lambda: 4)
    assert arguments.loader_processes(settings, device=device, side=640) == min(expected, 3)


def test_an_overflow_in_fp16_is_computed_again_and_spoils_no_statistics():
    import torch

    from models.yolo.network import SliceModel, all_finite, build_network

    torch.manual_seed(0)
    model = build_network("yolo11n", 2, kind=SliceModel).train()
    model.dtype = torch.float16
    pixels = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        model.model[1].conv.weight *= 1e6
        with torch.autocast("cpu", dtype=torch.float16):
            assert not all_finite(copy.deepcopy(model)(pixels))
        expected = copy.deepcopy(model)
        expected(pixels)
        assert all_finite(model._finite(pixels))
    for (name, own), other in zip(model.named_buffers(), expected.buffers(), strict=True):
        assert torch.isfinite(own).all(), name
        torch.testing.assert_close(own, other)


def test_every_augmentation_of_the_full_recipe_runs(tmp_path):
    small = {"network": "yolo11n", "init": "scratch", "epochs": 2, "warmup_epochs": 1.0, "batch": 2, "step": 8}
    fit(tmp_path, replace(FULL, **small, close_mosaic=1))
    assert len(pd.read_csv(tmp_path / "history.csv")) == 2


# Pretrained files


def test_pretrained_weights_are_looked_up_locally(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    medium = replace(TINY, network="yolo11m", init="pretrained")  # none of ours is a yolo11m
    assert find_weights(replace(medium, init="scratch")) is None
    with pytest.warns(UserWarning, match=r"no yolo11m\.pt lies in the working folder"):
        assert find_weights(medium) is None
    with pytest.raises(InputError, match=r"other\.pt: expected weights for --init"):
        find_weights(replace(medium, init="other.pt"))
    Path("yolo11m.pt").touch()
    assert find_weights(medium) == Path("yolo11m.pt")


@pytest.fixture
def checkpoint(tmp_path):
    """A file as Ultralytics publishes them: the pickled network, here with six other classes."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    network = DetectionModel("yolo11n.yaml", nc=6, verbose=False)
    path = tmp_path / "yolo11n.pt"
    torch.save({"model": network.half(), "ema": None, "train_args": {}}, path)
    return path, network.float().state_dict()


def test_training_starts_from_pretrained_weights(checkpoint, tmp_path):
    from models.weights import load_weights

    path, state = checkpoint
    fit(tmp_path / "job", replace(TINY, init=str(path), fine_lr0=1e-12, ema_decay=0.0))
    trained, _ = load_weights(tmp_path / "job" / "weights.safetensors")
    name = "model.0.conv.weight"
    np.testing.assert_allclose(trained[name], state[name], atol=1e-6)


def test_pre_training_starts_from_pretrained_weights(checkpoint):
    path, state = checkpoint
    learner = get_member("yolo").learner(
        particles=PARTICLES, settings=replace(TINY, init=str(path)), seed=1, device="cpu"
    )
    found = learner.average.state_dict()["model.0.conv.weight"]
    np.testing.assert_array_equal(found, state["model.0.conv.weight"])


class Malicious:
    def __reduce__(self):
        return (os.system, ("true",))


@pytest.mark.parametrize("content", ["malicious", "truncated", "text"])
def test_foreign_files_that_are_no_network_are_refused(checkpoint, content):
    import torch

    path, _ = checkpoint
    if content == "malicious":
        torch.save({"model": Malicious()}, path)
    elif content == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.write_text("not a network")
    with pytest.raises(InputError, match=r"yolo11n\.pt: expected a checkpoint of Ultralytics"):
        load_pretrained(path)


def test_a_version_without_safe_loading_is_refused(checkpoint, monkeypatch):
    monkeypatch.delattr("torch.serialization.get_unsafe_globals_in_checkpoint")
    with pytest.raises(InputError, match="expected a torch that loads foreign files safely"):
        load_pretrained(checkpoint[0])


def test_the_backbone_learns_slowly():
    import torch
    from torch import nn

    from models.yolo.training import slow_down

    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    kernels, biases = ([getattr(layer, name) for layer in network] for name in ("weight", "bias"))
    groups = [{"params": kernels, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1.0)
    slow_down(optimizer, network[:1], share=0.25)
    found = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    expected = {}
    for layer, rate in zip(network, (0.25, 1.0), strict=True):
        expected |= {id(layer.weight): (rate, 0.1), id(layer.bias): (rate, 0.0)}
    assert found == expected
