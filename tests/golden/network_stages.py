"""Stages from a tomogram to candidates: windows, networks, class maps, boxes; and the first steps of trainings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import avg_pool3d

from models.initial import find_initial
from models.member import Training, Validation
from models.outputs import ClassMaps, SliceBoxes
from models.registry import MEMBERS, get_member
from models.settings import to_record
from models.sliding_window import VIEWS, blend_weight, plan_windows, predict_maps
from models.weights import load_weights, save_weights
from postproc.convert import to_candidates
from submissions.prediction.averaging import predict_member
from tests.golden.inputs import BALL_AND_SHELL, PAIR, RIBOSOME, TRIO, VIRUS, balls, peaked_logits
from tests.golden.store import statistics
from tomograms.particles import CZII
from tomograms.phantom import PHANTOM, PHANTOM_SEED, RUNS, SHAPE
from tomograms.tomogram import Tomogram

TINY: dict[str, dict[str, Any]] = {
    "unet": {
        "init": "scratch",
        "precision": "fp32",
        "crop": (12, 32, 32),
        "batch": 2,
        "stem": 4,
        "channels": (4, 6, 8),
        "strides": (1, 2),
    },
    "detector": {
        "init": "scratch",
        "precision": "fp32",
        "crop": (24, 32, 32),
        "batch": 2,
        "filters": 4,
        "blocks": (1, 1, 1),
    },
    "yolo": {"init": "scratch", "precision": "fp32", "batch": 3},
}


def peaks(folder: Path) -> dict[str, Any]:
    """Class maps: overlapping species, peaks at edges, equal peaks, plateaus, and a weak one."""
    logits = peaked_logits(
        (12, 20, 24),
        4,
        [
            (1, (5.3, 6.2, 6.7), 9.0, 3.0),
            (1, (5.0, 6.0, 10.0), 8.5, 3.0),  # nearer than a radius to the first
            (1, (0.0, 0.0, 0.0), 9.0, 3.0),
            (1, (11.0, 19.0, 23.0), 8.0, 3.0),
            (1, (9.0, 15.0, 5.0), 8.0, 3.0),  # this and the next are equal
            (1, (9.0, 15.0, 17.0), 8.0, 3.0),
            (1, (3.0, 14.5, 12.5), 8.0, 3.0),  # its top lies between four voxels
            (1, (2.0, 17.0, 3.0), 2.5, 3.0),  # weak
            (1, (9.0, 5.0, 20.0), 8.0, 2.0),  # this and the next are a little more than a radius apart
            (1, (9.0, 8.4, 20.0), 7.8, 2.0),
            (2, (6.0, 7.0, 6.0), 9.5, 4.0),  # where the first species is, too
            (2, (3.0, 5.0, 19.4), 8.7, 4.0),
            (2, (9.0, 0.0, 12.0), 8.0, 4.0),
            (3, (6.0, 9.0, 12.0), 10.0, 4.0),
        ],
    )
    maps = ClassMaps(logits, 2, (0.5, 0.5, 0.5))
    fine = ClassMaps(logits[:3], 1, (0.0, 0.0, 0.0))
    return {
        "peaks.csv": pd.concat(
            [
                to_candidates(maps, TRIO, 10.0, experiment="TS_1", member="maps", model="stride 2"),
                to_candidates(fine, PAIR, 20.0, experiment="TS_1", member="maps", model="stride 1"),
            ]
        )
    }


def linking(folder: Path) -> dict[str, Any]:
    """Boxes of slices: stacked particles, gaps, weak boxes, duplicates, an edge, and a species that is not wanted."""
    boxes = _boxes(4)
    turned = replace(boxes, axis=2)
    return {
        "linking.csv": pd.concat(
            [
                to_candidates(boxes, TRIO, 10.0, experiment="TS_1", member="boxes", model="along z"),
                to_candidates(turned, TRIO, 10.0, experiment="TS_1", member="boxes", model="along x").head(6),
            ]
        ),
    }


def windows(folder: Path) -> dict[str, Any]:
    """Where windows lie, for a few shapes and settings."""
    cases = [
        ((184, 632, 632), (192, 368, 368), 0.125, 8),
        ((48, 160, 160), (192, 368, 368), 0.125, 8),
        ((184, 632, 632), (96, 128, 160), 0.25, 8),
        ((24, 40, 56), (16, 24, 24), 0.5, 4),
        ((32, 64, 72), (32, 30, 30), 0.0, 2),
    ]
    out = {}
    for shape, largest, overlap, step in cases:
        size, corners = plan_windows(shape, largest, overlap, step)
        axes = [sorted({corner[axis] for corner in corners}) for axis in range(3)]
        out[f"{shape}, {largest}, {overlap}, {step}"] = {
            "size": size,
            "corners": len(corners),
            "along": axes,
            "first": corners[:3],
        }
    return {"windows.json": {"views": VIEWS, "plans": out}}


def maps(folder: Path) -> dict[str, Any]:
    """Blended class maps of a network that is a plain function and no symmetric one: several windows, eight views."""
    volume = balls("TS_1", 2, (13, 30, 38), BALL_AND_SHELL, [(6, 10, 9), (5, 20, 30)])[0].volume

    def network(crop: torch.Tensor) -> torch.Tensor:
        pooled = avg_pool3d(crop, 2)
        z, y, x = (torch.linspace(-1, 1, n) for n in pooled.shape[2:])
        ramp = z[:, None, None] + 2 * y[:, None] + 3 * x
        return torch.cat([pooled, pooled * ramp, pooled.square() - ramp], dim=1)

    out: dict[str, Any] = {"weight": blend_weight((4, 6, 6))[1, 2]}
    for views in (1, 8):
        logits = predict_maps(
            volume,
            [network],
            channels=3,
            window=(8, 16, 20),
            overlap=0.25,
            stride=2,
            multiple=4,
            views=views,
            device=torch.device("cpu"),
        )
        out[f"{views} views"] = {
            "shape": logits.shape,
            "dtype": str(logits.dtype),
            "classes": [statistics(channel) for channel in logits],
            "rows": logits[:, 3, ::4],
        }
    return {"maps.json": out}


def shipped_unet(folder: Path) -> dict[str, Any]:
    """The shipped U-Net on a made-up tomogram, in one view."""
    return _shipped_maps("unet", folder)


def shipped_detector(folder: Path) -> dict[str, Any]:
    """The shipped detector on the same."""
    return _shipped_maps("detector", folder)


def _shipped_maps(member: str, folder: Path) -> dict[str, Any]:
    tomogram = _tomogram()
    output = _shipped(member, folder).predict(tomogram)
    table = to_candidates(output, CZII, 10.0, experiment="TS_1", member=member, model="shipped")
    content = {
        "stride": output.stride,
        "origin": output.origin,
        "shape": output.logits.shape,
        "means": [channel.mean(dtype=np.float64) for channel in output.logits],
        "deviations": [channel.std(dtype=np.float64) for channel in output.logits],
    }
    return {f"shipped-{member}.json": content, f"shipped-{member}.csv": table[table["score"] > 0.01]}


def shipped_yolo(folder: Path) -> dict[str, Any]:
    """The shipped YOLO on a made-up tomogram, in one view."""
    tomogram = _tomogram()
    output = _shipped("yolo", folder).predict(tomogram)
    table = to_candidates(output, CZII, 10.0, experiment="TS_1", member="yolo", model="shipped")
    sure = output.confidence > 0.05
    boxes = pd.DataFrame({"slice": output.slice_index[sure], "label": output.label[sure]})
    boxes[["low_x", "low_y", "high_x", "high_y"]] = output.xyxy[sure]
    boxes["confidence"] = output.confidence[sure]
    boxes = boxes.sort_values(["slice", "label", "confidence"], ignore_index=True)
    content = {"axis": output.axis, "thickness": output.thickness, "step": output.step, "sure boxes": int(sure.sum())}
    return {
        "shipped-yolo.json": content,
        "shipped-yolo-boxes.csv": boxes,
        "shipped-yolo.csv": table[table["score"] > 0.02],
    }


def first_losses(folder: Path) -> dict[str, Any]:
    """The loss of each member's first step, before anything is learned."""
    return {"first-losses.json": {name: _training(name, folder, steps=1)["losses"] for name in MEMBERS}}


def unet_training(folder: Path) -> dict[str, Any]:
    """Three steps of a small U-Net from scratch."""
    return {"unet-training.json": _training("unet", folder, steps=3)}


def detector_training(folder: Path) -> dict[str, Any]:
    """Three steps of a small detector from scratch."""
    return {"detector-training.json": _training("detector", folder, steps=3)}


def yolo_training(folder: Path) -> dict[str, Any]:
    """Three steps of a YOLO from scratch."""
    return {"yolo-training.json": _training("yolo", folder, steps=3)}


def unet_fit(folder: Path) -> dict[str, Any]:
    """A training of the U-Net from the shipped weights: its history, and what the trained network finds."""
    return _fit("unet", folder, steps=3, epoch_steps=2, crop=(24, 32, 32), window=(24, 48, 48), views=2)


def detector_fit(folder: Path) -> dict[str, Any]:
    """A training of the detector from the shipped weights: its history, and what the trained network finds."""
    return _fit("detector", folder, steps=3, epoch_steps=2, crop=(24, 32, 32), window=(24, 48, 48), views=2)


def yolo_fit(folder: Path) -> dict[str, Any]:
    """A training of YOLO from the shipped weights: its history, and what the trained network finds."""
    return _fit(
        "yolo", folder, epochs=2, warmup_epochs=0.5, step=4, watch_step=4, watch_every=1, predict_step=4, batch=4
    )


def settings(folder: Path) -> dict[str, Any]:
    """Every member's presets, and what the phantom is simulated with."""
    records = {
        name: {preset: to_record(value) for preset, value in get_member(name).presets.items()} for name in MEMBERS
    }
    phantom = {"seed": PHANTOM_SEED, "shape": SHAPE, "runs": RUNS, "settings": PHANTOM}
    return {"settings.json": {**records, "phantom": phantom}}


class _Fake:
    """A predictor that knows its output."""

    views = 1

    def __init__(self, output: ClassMaps | SliceBoxes) -> None:
        self.output = output

    def predict(self, tomogram: Tomogram, *, views: int | None = None) -> ClassMaps | SliceBoxes:
        """Return the output."""
        return self.output


def model_average(folder: Path) -> dict[str, Any]:
    """A member of three models: the candidates of each and of their average."""
    tomogram = Tomogram("TS_1", np.zeros((24, 40, 48), np.float32), 10.0)
    models = {}
    for number in range(3):
        bumps = [(1, (5.0 + 0.3 * number, 6.0, 7.0), 9.0 - number, 3.0), (2, (6.0, 13.0, 15.0 + number), 8.0, 4.0)]
        models[f"fold {number}"] = _Fake(ClassMaps(peaked_logits((12, 20, 24), 3, bumps[number == 2 :]), 2, (0.5,) * 3))
    boxes = {name: _Fake(_boxes(seed)) for seed, name in enumerate(("fold 0", "fold 1"))}
    tables = [
        predict_member(tomogram, models, particles=PAIR, member="maps"),
        predict_member(tomogram, boxes, particles=PAIR, member="boxes"),
    ]
    return {"model-average.csv": pd.concat([table[table["score"] > 0.1] for table in tables])}


def _boxes(seed: int) -> SliceBoxes:
    """Return made-up boxes of every second slice."""
    rng = np.random.default_rng(seed)
    spheres = [  # label, centre z, y, x, radius (voxels), confidence
        (1, 12.0, 20.0, 20.0, 6.0, 0.9),
        (1, 26.0, 20.5, 20.5, 6.0, 0.8),  # on top of the first
        (1, 20.0, 50.0, 50.0, 6.0, 0.6),
        (1, 1.0, 30.0, 62.0, 6.0, 0.7),  # cut by the volume's end
        (1, 30.0, 45.0, 12.0, 6.0, 0.02),  # weak
        (2, 20.0, 20.0, 48.0, 9.0, 0.85),
        (2, 18.0, 51.0, 49.0, 9.0, 0.3),  # where the first species is, too
        (3, 20.0, 40.0, 30.0, 13.0, 0.5),
        (4, 20.0, 10.0, 10.0, 8.0, 0.9),
    ]
    smear = 1.6  # of the missing wedge: a sphere shows beyond its ends
    rows = []
    for label, z, y, x, radius, confidence in spheres:
        for index in range(0, 40, 2):
            away = abs(index - z) / radius
            if away >= smear or rng.uniform() < 0.1:
                continue
            half = radius * max(0.3, 1 - away**2) ** 0.5
            row, column = y + rng.normal(0, 1.5), x + rng.normal(0, 1.5)
            sure = confidence * rng.uniform(0.7, 1.0) * (1.0 if away < 0.9 else 0.3)
            rows.append((index, column - half, row - half, column + half, row + half, sure, label))
            if rng.uniform() < 0.2:  # a second, weaker box on it
                rows.append((index, column - half + 1, row - half, column + half + 1, row + half, sure / 3, label))
    for index in range(0, 40, 2):  # something that runs through all slices
        rows.append((index, 8.0, 52.0, 20.0, 64.0, 0.3 + 0.01 * index, 1))
    for _ in range(10):  # false alarms
        row, column = rng.uniform(5, 60, 2)
        rows.append((int(rng.integers(20)) * 2, column - 5, row - 5, column + 5, row + 5, rng.uniform(0, 0.1), 1))
    table = np.round(np.array(rows), 3)
    return SliceBoxes(
        axis=0,
        slice_index=table[:, 0].astype(np.float32),
        thickness=1,
        step=2,
        xyxy=table[:, 1:5].astype(np.float32),
        confidence=table[:, 5].astype(np.float32),
        label=table[:, 6].astype(np.int16),
    )


def _tomogram() -> Any:
    return balls("TS_1", 5, (48, 64, 96), (RIBOSOME, VIRUS), [(24, 30, 30), (22, 40, 70)])[0]


def _shipped(name: str, folder: Path) -> Any:
    """Return a member's shipped network, made to compute in fp32 and in one view by its weights' card."""
    path = find_initial(name, "pretrained")
    assert path is not None
    state, card = load_weights(path)
    settings = {**json.loads(card["settings"]), "precision": "fp32", "views": 1}
    save_weights(folder / "weights.safetensors", state, {**card, "settings": json.dumps(settings)})
    return get_member(name).load(folder, "cpu")


def _training(name: str, folder: Path, *, steps: int) -> dict[str, Any]:
    member = get_member(name)
    settings = replace(member.presets["demo"], **TINY[name])
    learner = member.learner(particles=BALL_AND_SHELL, settings=settings, seed=3, device="cpu")
    pool = [
        learner.prepare(*balls(f"TS_{seed}", seed, (24, 64, 64), BALL_AND_SHELL, _centres(seed))) for seed in (0, 1)
    ]
    learner.write(folder / "before.safetensors")
    losses = [
        learner.train_step(pool, rng=np.random.default_rng([3, step]), done=(step + 1) / 4) for step in range(steps)
    ]
    learner.write(folder / "after.safetensors")
    before, _ = load_weights(folder / "before.safetensors")
    after, card = load_weights(folder / "after.safetensors")
    floating = [name for name, value in after.items() if value.is_floating_point()]
    moved = sum(float((after[name].double() - before[name].double()).abs().sum()) for name in floating)
    return {
        "losses": losses,
        "steps": learner.step,
        "card": {key: value if key == "member" else json.loads(value) for key, value in sorted(card.items())},
        "tensors": len(after),
        "numbers": sum(value.numel() for value in after.values()),
        "absolute sum of the averaged weights": sum(float(after[name].double().abs().sum()) for name in floating),
        "of their change": moved,
    }


def _centres(seed: int) -> Sequence[Sequence[float]]:
    return [(10, 15, 20), (12, 40, 44), (14, 50, 15)] if seed else [(8, 20, 50), (13, 45, 25)]


def _fit(name: str, folder: Path, **changes: Any) -> dict[str, Any]:
    """Train on two tomograms of two of the shipped weights' species, which have other labels there."""
    member = get_member(name)
    settings = replace(member.presets["demo"], precision="fp32", **changes)
    particles = (replace(VIRUS, label=1), replace(RIBOSOME, label=2))
    train = [balls(f"TS_{seed}", seed, (24, 64, 64), particles, _centres(seed)) for seed in (0, 1)]
    held_out, picks = balls("TS_2", 2, (24, 64, 64), particles, _centres(0))
    told: list[tuple[int, int]] = []
    training = Training(
        [tomogram for tomogram, _ in train],
        pd.concat([table for _, table in train], ignore_index=True),
        Validation(held_out, picks),
        particles,
        settings,
        1,
        folder,
        "cpu",
    )
    member.fit(training, lambda done, total, note: told.append((done, total)))
    output = member.load(folder, "cpu").predict(held_out)
    table = to_candidates(output, particles, 10.0, experiment="TS_2", member=name, model="fit")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {
        f"{name}-fit-history.csv": pd.read_csv(folder / "history.csv").astype(float),
        f"{name}-fit-candidates.csv": table.groupby("particle_type").head(3),
        f"{name}-fit.json": {"files": files, "told": told},
    }
