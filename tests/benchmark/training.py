"""Stage ``training``: U-Net steps, against a MONAI dictionary pipeline with a DataLoader; same network and crops."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch

from compute.devices import resolve_device
from tests.benchmark.measure import Timing, timing
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import Scale
from tests.benchmark.scenes import label_map, tomogram, unet_settings
from tomograms.particles import CZII
from tomograms.tomogram import Tomogram

FASTER = 1.5
SKIPPED = 2
"""Steps before the clock starts: the first ones compile kernels and start workers."""


class Clock:
    """Wall and CPU time of each step."""

    def __init__(self) -> None:
        self.ticks: list[tuple[float, float]] = []

    def __call__(self, *_: Any) -> None:
        """Note the end of a step."""
        self.ticks.append((time.perf_counter(), time.process_time()))

    def steps(self) -> tuple[list[float], list[float]]:
        """Return wall and CPU time of each step after the first ones."""
        walls, cpus = np.diff(np.array(self.ticks)[SKIPPED - 1 :], axis=0).T
        return walls.tolist(), cpus.tolist()


def ours(image: Tomogram, truth: pd.DataFrame, settings: Any, device: str) -> Clock:
    """Train as the member does."""
    from models.member import Training
    from models.registry import get_member

    clock = Clock()
    with TemporaryDirectory() as folder:
        get_member("unet").fit(Training([image], truth, None, CZII, settings, 0, Path(folder), device), clock)
    return clock


def monai_way(image: Tomogram, truth: pd.DataFrame, settings: Any, device: str, *, workers: int) -> Clock:
    """Train as a MONAI user does: random dictionary transforms in a DataLoader, Tversky and cross-entropy, AdamW.

    To its advantage the places of each class are looked up once, not for every crop. Float32; the network's output has
    half the resolution, so every second voxel of the label is its target.
    """
    from monai.data import DataLoader, Dataset, list_data_collate
    from monai.losses import TverskyLoss
    from monai.transforms import (
        ClassesToIndicesd,
        Compose,
        RandCropByLabelClassesd,
        RandFlipd,
        RandRotate90d,
        ToTensord,
    )

    from models.unet.network import build_network

    classes, keys = 1 + len(CZII), ["image", "label"]
    labels = label_map(image.volume.shape, truth, fraction=settings.radius_fraction)
    sample = {"image": torch.from_numpy(image.volume)[None], "label": torch.from_numpy(labels)[None]}
    sample = ClassesToIndicesd(keys="label", num_classes=classes)(sample)
    crop = RandCropByLabelClassesd(
        keys=keys,
        label_key="label",
        spatial_size=settings.crop,
        ratios=[1] * classes,
        num_classes=classes,
        num_samples=settings.batch,
        indices_key="label_cls_indices",
    )
    flips = [RandFlipd(keys=keys, prob=0.5, spatial_axis=axis) for axis in range(3)]
    turn = RandRotate90d(keys=keys, prob=0.5, spatial_axes=(1, 2), max_k=3)
    data = Dataset([sample] * settings.steps, Compose([crop, turn, *flips, ToTensord(keys=keys)]))
    loader = DataLoader(data, batch_size=1, num_workers=workers, collate_fn=list_data_collate)
    where = resolve_device(device)
    network = build_network(settings, classes).to(where).train()
    tversky = TverskyLoss(include_background=False, to_onehot_y=True, softmax=True, alpha=0.3, beta=0.7, batch=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    clock = Clock()
    for batch in islice(loader, settings.steps):
        crops = batch["image"].as_tensor().to(where)
        target = batch["label"].as_tensor()[..., ::2, ::2, ::2].long().to(where)
        optimiser.zero_grad()
        logits = network(crops)
        loss = 0.5 * tversky(logits, target) + 0.5 * torch.nn.functional.cross_entropy(logits, target[:, 0])
        loss.backward()
        optimiser.step()
        loss.item()
        clock()
    return clock


def run(scale: Scale) -> list[Row]:
    """Return the row."""
    base = unet_settings(scale)
    settings = replace(base, **scale.pick({"batch": 2, "crop": (64, 96, 96), "steps": 8}, {"steps": 4}), init="scratch")
    image, truth = tomogram(scale.pick((96, 224, 224), (24, 70, 104)), seed=7)
    ways: dict[str, Callable[[], Clock]] = {
        "ours": lambda: ours(image, truth, settings, scale.device),
        "monai": lambda: monai_way(image, truth, settings, scale.device, workers=scale.pick(1, 0)),
    }
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(scale.pick(3, 1)):
        for name, way in ways.items():
            wall, cpu = way().steps()
            walls[name] += wall
            cpus[name] += cpu
    times: dict[str, Timing] = {name: timing(walls[name], cpus[name]) for name in ways}
    voxels = settings.batch * int(np.prod(settings.crop))
    return [
        Row(
            "training",
            f"one step of {settings.batch} crops of {'x'.join(map(str, settings.crop))}",
            times["ours"],
            times["monai"],
            "dictionary transforms, DataLoader, float32",
            floors=(
                Limit("times the voxels per second", times["monai"].wall / times["ours"].wall, FASTER, at_least=True),
            ),
            checks=(Limit("steps that were timed", len(walls["ours"]), 1, at_least=True),),
            notes={"Mvoxel/s": voxels / times["ours"].wall / 1e6},
        )
    ]
