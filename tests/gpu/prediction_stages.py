"""Stages that predict: a small data set, equality with the CPU, and a full-size tomogram."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from models.initial import SHIPPED
from models.registry import MEMBERS, get_member
from models.yolo.network import build_network
from models.yolo.prediction import YoloPredictor
from postproc.convert import to_candidates
from tests.benchmark.scenes import tomogram
from tests.gpu.facts import Bench
from tomograms.dataset import open_dataset
from tomograms.particles import CZII
from tomograms.phantom import PHANTOM
from tomograms.simulator.library import built_in_species
from tomograms.simulator.writing import write_tree

SEED = 20261126
SHAPE = (32, 128, 128)
NEAR = 5.0
"""Å within which two candidates are the same."""
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def data(bench: Bench) -> None:
    """Simulate a small data set for the stages that need one."""
    runs = {"train": ("GC_1", "GC_2"), "test": ("GC_7", "GC_8", "GC_9")}
    species = built_in_species(CZII, PHANTOM.voxel_size)
    place = bench.place / "data"
    write_tree(place, PHANTOM, SEED, SHAPE, runs=runs, species=species, description="check of a GPU (simulated data)")
    names = open_dataset(place).runs("test")
    bench.tell("test tomograms", len(names), len(names) == 3)


def same(bench: Bench) -> None:
    """Compare what the shipped weights find on a CPU in fp32 with what they find here in every number format."""
    volume = open_dataset(bench.place / "data").tomogram("GC_7")
    for member in MEMBERS:
        truth = _predict(member, "cpu", "fp32", volume)
        sure = _candidates(truth, volume, member)
        sure = sure[sure["score"] > 0.1]
        if member == "unet":
            here = _share_found(sure, _candidates(truth, volume, member, bench.device))
            bench.tell("unet, share of candidates found here in the CPU's maps", here, here > 0.99)
        for precision in ("fp32", "fp16", "bf16") if bench.gpu else ("fp32",):
            start = time.perf_counter()
            output = _predict(member, bench.device, precision, volume)
            spent = f"{time.perf_counter() - start:.1f} s"
            if member == "unet":
                worst = float(np.quantile(np.abs(_probability(truth) - _probability(output)), 0.999))
                most = 2e-3 if precision == "fp32" else 0.03
                bench.tell(f"unet {precision}, 99.9 % of |p - p'|", worst, worst < most, f"(below {most:g})")
            share = _share_found(sure, _candidates(output, volume, member, bench.device))
            bench.tell(f"{member} {precision}, share of {len(sure)} candidates found", share, share > 0.97, spent)


def _predict(member: str, device: str, precision: str, volume: Any) -> Any:
    model: Any = get_member(member).load(SHIPPED / member, device)
    model.settings = replace(model.settings, precision=precision)
    if member == "yolo":
        model.dtype = DTYPES[precision]
    return model.predict(volume, views=2)


def _candidates(output: Any, volume: Any, member: str, device: str = "cpu") -> pd.DataFrame:
    names = {"experiment": volume.name, "member": member, "model": "m"}
    return to_candidates(output, CZII, volume.voxel_size, device=device, **names)


def _probability(maps: Any) -> np.ndarray:
    return torch.from_numpy(maps.logits.astype(np.float32)).softmax(0).numpy()


def _share_found(sure: pd.DataFrame, found: pd.DataFrame) -> float:
    near = 0
    for species, rows in sure.groupby("particle_type"):
        other = found.loc[found["particle_type"] == species, ["x", "y", "z"]].to_numpy()
        if len(other):
            gap = np.linalg.norm(rows[["x", "y", "z"]].to_numpy()[:, None] - other[None], axis=2).min(axis=1)
            near += int((gap < NEAR).sum())
    return near / len(sure) if len(sure) else 1.0


def full(bench: Bench) -> None:
    """Measure a tomogram of the competition's size: members of preset ``full``, and an ensemble of seven of each."""
    volume, _ = tomogram(bench.size((184, 630, 630), (24, 96, 96)))
    total = 0.0
    for member in MEMBERS:
        with bench.like_a_t4(f"{member}, memory"):
            predicted, found = _seconds(bench, _full_model(bench, member), member, volume)
        bench.tell(f"{member}, s predicting, s finding candidates", f"{predicted:.2f}, {found:.2f}")
        total += 7 * predicted + (7 * found if member == "yolo" else found)
    bench.tell(f"tomograms an hour, 7 folds x {len(MEMBERS)} members, one process", 3600 / total)


def _full_model(bench: Bench, member: str) -> Any:
    kind = get_member(member)
    model: Any = kind.load(SHIPPED / member, bench.device)
    settings = replace(kind.presets["full"], precision="fp16" if bench.gpu else "fp32")
    if member != "yolo":
        model.settings, model.window = settings, settings.window
        model.views = bench.size(settings.views, 1)
        return model
    network = build_network(settings.network, len(model.labels))  # its speed; what it finds does not matter
    return YoloPredictor(network, model.labels, settings, torch.device(bench.device))


def _seconds(bench: Bench, model: Any, member: str, volume: Any) -> tuple[float, float]:
    model.predict(volume, views=1)  # warm
    bench.sync()
    start = time.perf_counter()
    output = model.predict(volume)
    middle = time.perf_counter()
    _candidates(output, volume, member, bench.device)
    return middle - start, time.perf_counter() - middle
