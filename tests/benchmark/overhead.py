"""Stage ``overhead``: all but the networks, for seven fold models of both members, whose outputs are stored before.

The other way asks fold model by fold model: each cuts, mirrors and blends the tomogram for itself, and its candidates
are found beside those of the average; the tomogram's key is computed for each member, when looking for what is kept and
when keeping it. So it was done here at first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree

from ensemble.clustering import MEAN_MODEL, FusionRule, average_models, fuse
from models.initial import SHIPPED
from models.registry import get_member
from postproc.candidates import concatenate
from postproc.convert import to_candidates
from submissions.export.submission import write_submission
from submissions.prediction.averaging import MeanMaps, predict_member
from tests.benchmark.measure import interleave
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import FULL_SHAPE, VOXEL_SIZE, Scale
from tests.benchmark.scenes import tomogram
from tomograms.dataset import Dataset, open_dataset
from tomograms.kaggle_tree import write_run
from tomograms.particles import CZII
from tomograms.tomogram import Tomogram

MODELS = 7
MOST = 0.4
"""Of the other way's CPU time."""
NEAR = 2.5
"""Å between candidates that are the same, a quarter of a voxel. Models one by one round their logits to fp16, which
moves the top of a broad peak by up to 1.2 Å where networks compute in fp32; in bf16 nothing moves."""


class Tape(torch.nn.Module):
    """A network that computes at the first pass over a tomogram and repeats itself ever after."""

    def __init__(self, compute: Callable[[torch.Tensor], torch.Tensor], outputs: list[torch.Tensor]) -> None:
        super().__init__()
        self.compute, self.outputs, self.recording, self.place = [compute], outputs, not outputs, 0

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the next output."""
        if self.recording:
            self.outputs.append(self.compute[0](pixels))
            return self.outputs[-1].clone()
        output = self.outputs[self.place % len(self.outputs)]
        self.place += 1
        return output


def taped(member: str, seen: Tomogram, device: str) -> dict[str, Any]:
    """Return seven models of a member with the outputs of its shipped network for a tomogram."""
    outputs: list[torch.Tensor] = []
    models = {}
    for number in range(MODELS + 1):
        model: Any = get_member(member).load(SHIPPED / member, device)
        if member == "unet":
            tape = Tape(model.network, outputs)
            tape.multiple = model.network.multiple
            model.network = tape
        else:
            model._predict = Tape(model._predict, outputs)
        if number:
            models[f"fold {number}"] = model
        else:
            model.predict(seen)
    return models


def together(dataset: Dataset, models: dict[str, dict[str, Any]], path: Path) -> dict[str, pd.DataFrame]:
    """Return both members' candidates; write what they are fused to."""
    dataset.volume_hash("TS_1")
    seen = dataset.tomogram("TS_1")
    found = {name: predict_member(seen, own, particles=CZII, member=name) for name, own in models.items()}
    return finish(found, path)


def one_by_one(dataset: Dataset, models: dict[str, dict[str, Any]], path: Path) -> dict[str, pd.DataFrame]:
    """Do the same for each fold model by itself."""
    for _ in range(2 * len(models)):
        dataset.volume_hash("TS_1")
    seen = dataset.tomogram("TS_1")
    found = {}
    for member, own in models.items():

        def candidates(output: Any, model: str, member: str = member) -> pd.DataFrame:
            return to_candidates(output, CZII, seen.voxel_size, experiment="TS_1", member=member, model=model)

        mean, tables = MeanMaps(), []
        for name, model in own.items():
            output = model.predict(seen)
            tables.append(candidates(output, name))
            if member == "unet":
                mean.add(output)
        if member == "unet":
            found[member] = candidates(mean.mean(), MEAN_MODEL)
        else:
            found[member] = average_models(concatenate(tables), CZII, MODELS)
    return finish(found, path)


def finish(found: dict[str, pd.DataFrame], path: Path) -> dict[str, pd.DataFrame]:
    """Fuse the members' candidates, write them and return the members'."""
    rule = FusionRule(dict.fromkeys(found, 0.5), 0.5, dict.fromkeys(found, 1.0))
    rules = {particle.name: rule for particle in CZII}
    write_submission(path, [fuse(concatenate(list(found.values())), CZII, rules=rules)])
    return found


def apart(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Return the share of candidates without one of the same species within `NEAR` in the other table."""
    alone = 0
    for particle in CZII:
        a, b = (t.loc[t["particle_type"] == particle.name, ["x", "y", "z"]].to_numpy() for t in (one, other))
        distance = cKDTree(b).query(a)[0] if len(b) else np.full(len(a), np.inf)
        alone += int((distance > NEAR).sum())
    return alone / max(1, len(one))


def run(scale: Scale) -> list[Row]:
    """Return the row."""
    shape = scale.pick(FULL_SHAPE, (24, 70, 104))
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_run(root, "test", "TS_1", volume=tomogram(shape)[0].volume, voxel_size=VOXEL_SIZE, picks={})
        dataset = open_dataset(root)
        models = {name: taped(name, dataset.tomogram("TS_1"), scale.device) for name in ("unet", "yolo")}
        views = ", ".join(f"{own['fold 1'].views} views of {name}" for name, own in models.items())
        times, results = interleave(
            {
                "ours": lambda: together(dataset, models, root / "ours.csv"),
                "others": lambda: one_by_one(dataset, models, root / "others.csv"),
            },
            repeats=scale.pick(3, 1),
        )
    ours, others = results["ours"], results["others"]
    return [
        Row(
            "overhead",
            f"{'x'.join(map(str, shape))}, {MODELS} models of 2 members, {views}: all but the networks",
            times["ours"],
            times["others"],
            "fold model by fold model",
            floors=(Limit("of the other way's CPU time", times["ours"].cpu / times["others"].cpu, MOST),),
            checks=tuple(Limit(f"candidates of {name} apart", apart(ours[name], others[name]), 0.01) for name in ours),
            notes={f"candidates of {name}": len(table) for name, table in ours.items()},
        )
    ]
