"""Pre-training of YOLO on slices that never touch the disk; see `models.member.Learner`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn
from ultralytics.cfg import get_cfg
from ultralytics.utils.metrics import ap_per_class, box_iou

from compute.precision import compute_dtype, resolve_device
from models.initial import start_from
from models.training.checkpoint import load_checkpoint, save_checkpoint
from models.training.schedule import follow, learning_rate
from models.weights import header, save_weights
from models.yolo.initial import class_axes, find_weights
from models.yolo.prediction import YoloPredictor, turn
from models.yolo.settings import YoloSettings
from models.yolo.slices import Canvas, canvas, circles, image, middle, slabs
from models.yolo.training import SliceModel
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

WARMUP = 0.03
IOU = 0.5
"""Overlap from which a box counts as found in the validation score."""


@dataclass(frozen=True)
class Slices:
    """A tomogram's slabs (slab, y, x) uint8 and its truth.

    ``picks`` has the columns ``particle_type, x, y, z`` (Å).
    """

    levels: NDArray[np.uint8]
    picks: pd.DataFrame
    voxel_size: float
    frame: Canvas


class YoloLearner:
    """A YOLO network on slices of the pool's tomograms; its validation score is the mean AP at an overlap of 0.5.

    A batch holds slices of any of the pool's tomograms, each seen in one of the 8 views of a square, right way up or
    with its slabs in reverse.
    """

    renew = 25

    def __init__(self, settings: YoloSettings, particles: Sequence[Particle], seed: int, device: str) -> None:
        self.settings = settings
        self.particles = sorted(particles, key=lambda p: p.label)
        self.device = resolve_device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = self._build()
        pretrained = find_weights(settings)
        self.peak = settings.lr0 if pretrained is None else settings.fine_lr0
        if pretrained is not None:
            start_from(pretrained, self.network, self.particles, class_axes=class_axes, background=False)
        self.average = self._build()
        self.average.load_state_dict(self.network.state_dict())
        self.network.dtype = compute_dtype(self.device, settings.precision)
        self.optimiser = torch.optim.AdamW(self._groups(), betas=(settings.momentum, 0.999), fused=True)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.network.dtype == torch.float16)
        self.step = 0

    def _build(self) -> SliceModel:
        settings = self.settings
        network = SliceModel(f"{settings.network}.yaml", ch=3, nc=len(self.particles), verbose=False)
        network.args = get_cfg(overrides={"box": settings.box, "cls": settings.cls, "dfl": settings.dfl})
        return network.to(self.device, memory_format=torch.channels_last)

    def _groups(self) -> list[dict[str, Any]]:
        """Return the parameters with and without weight decay: kernels, and norms and biases."""
        kernels = [p for p in self.network.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.network.parameters() if p.requires_grad and p.ndim <= 1]
        return [
            {"params": kernels, "weight_decay": self.settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]

    def prepare(self, tomogram: Tomogram, picks: pd.DataFrame) -> Slices:
        """See `models.member.Learner.prepare`."""
        frame = canvas(tomogram.volume.shape, self.settings.zoom)
        return Slices(slabs(tomogram.volume, self.settings.thickness), picks, tomogram.voxel_size, frame)

    def train_step(self, pool: Sequence[Slices], *, rng: np.random.Generator, done: float) -> float:
        """See `models.member.Learner.train_step`."""
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(done, peak=self.peak, warmup=WARMUP)
        total, _ = self.network.loss(self._batch(pool, rng))
        loss = total.sum()
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        follow(self.average, self.network, decay=self.settings.ema_decay, step=self.step)
        return float(loss.detach()) / self.settings.batch

    def _batch(self, pool: Sequence[Slices], rng: np.random.Generator) -> dict[str, torch.Tensor]:
        side = max(slices.frame.side for slices in pool)
        pictures, boxes, classes, which = [], [], [], []
        for i in range(self.settings.batch):
            slices = pool[int(rng.integers(len(pool)))]
            index = int(rng.integers(len(slices.levels)))
            picture = image(slices.levels, index, gap=self.settings.gap, canvas=self._framed(slices, side))
            box, label = self._truth(slices, index, side)
            view = int(rng.integers(8))
            if rng.random() < self.settings.zflip:
                picture = picture[..., ::-1]
            pixels = turn(torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1), view)
            pictures.append(pixels.contiguous())
            boxes.append(_turn_boxes(box, view))
            classes.append(label)
            which.append(np.full(len(label), i, np.float32))
        return {
            "img": torch.stack(pictures).to(self.device, non_blocking=True).float() / 255,
            "bboxes": torch.from_numpy(np.concatenate(boxes)).to(self.device),
            "cls": torch.from_numpy(np.concatenate(classes)[:, None]).to(self.device),
            "batch_idx": torch.from_numpy(np.concatenate(which)).to(self.device),
        }

    def _framed(self, slices: Slices, side: int) -> Canvas:
        return Canvas(slices.frame.shape, slices.frame.zoom, side)

    def _truth(self, slices: Slices, index: int, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the boxes (n, 4) as centre x, y, width, height in fractions of the image, and class numbers (n,)."""
        settings = self.settings
        label, centre, radius = circles(
            slices.picks,
            self.particles,
            slices.voxel_size,
            z=float(middle(np.array([index]), settings.thickness)[0]),
            label_fraction=settings.label_fraction,
            radius_scale=settings.radius_scale,
        )
        frame = self._framed(slices, side)
        low, high = (np.clip(frame.to_pixels(centre + s * radius[:, None]) / side, 0, 1) for s in (-1, 1))
        box = np.concatenate([(low + high) / 2, high - low], axis=1).astype(np.float32).reshape(-1, 4)
        order = {particle.label: i for i, particle in enumerate(self.particles)}
        return box, np.array([order[int(i)] for i in label], np.float32)

    def score(self, tomograms: Sequence[Tomogram], picks: pd.DataFrame) -> dict[str, float]:
        """See `models.member.Learner.score`."""
        network = self._build()
        network.load_state_dict(self.average.state_dict())
        labels = np.array([particle.label for particle in self.particles], np.int16)
        predictor = YoloPredictor(network, labels, self.settings, self.device)
        hits, confidences, found, true = [], [], [], []
        for tomogram in tomograms:
            boxes = predictor.predict(tomogram)
            slices = self.prepare(tomogram, picks[picks["experiment"] == tomogram.name])
            frame = slices.frame
            for index in range(len(slices.levels)):
                box, truth = self._truth(slices, index, frame.side)
                at = boxes.slice_index == middle(np.array([index]), self.settings.thickness)[0]
                mine = np.searchsorted(labels, boxes.label[at]).astype(np.float32)
                corners = np.concatenate([frame.to_pixels(boxes.xyxy[at][:, k : k + 2]) for k in (0, 2)], axis=1)
                hits.append(_hits(_corners(box) * frame.side, truth, corners, mine, boxes.confidence[at]))
                confidences.append(boxes.confidence[at])
                found.append(mine)
                true.append(truth)
        flat = [np.concatenate(part) for part in (confidences, found, true)]
        if not len(flat[2]) or not len(flat[1]):
            return {"score": 0.0}
        *_, precision, classes = ap_per_class(np.concatenate(hits)[:, None], *flat)[:7]
        ap = {f"AP {self.particles[int(c)].name}": float(a[0]) for c, a in zip(classes, precision, strict=True)}
        return {"score": float(np.mean(list(ap.values()))), **ap}

    def save(self, path: Path, progress: Mapping[str, Any]) -> None:
        """See `models.member.Learner.save`."""
        save_checkpoint(path, self._parts(), {"step": self.step, **progress})

    def restore(self, path: Path) -> dict[str, Any]:
        """See `models.member.Learner.restore`."""
        progress = load_checkpoint(path, self._parts(), self.device)
        self.step = int(progress.pop("step"))
        return progress

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "average": self.average,
            "optimiser": self.optimiser,
            "scaler": self.scaler,
        }

    def write(self, path: Path) -> None:
        """See `models.member.Learner.write`."""
        save_weights(path, self.average.state_dict(), header("yolo", self.settings, self.particles), half=True)


def _turn_boxes(box: NDArray[np.float32], view: int) -> NDArray[np.float32]:
    """Return boxes as `turn` leaves them."""
    x, y, width, height = box.T
    x = 1 - x if view & 1 else x
    y = 1 - y if view & 2 else y
    return np.stack([y, x, height, width] if view & 4 else [x, y, width, height], axis=1)


def _corners(box: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], axis=1)


def _hits(
    true_box: NDArray[np.floating],
    true_class: NDArray[np.float32],
    box: NDArray[np.floating],
    label: NDArray[np.float32],
    confidence: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Return which boxes hit a true one that no surer box of their class has hit."""
    out = np.zeros(len(box), bool)
    if not len(true_box) or not len(box):
        return out
    overlap = box_iou(torch.from_numpy(box).float(), torch.from_numpy(true_box).float()).numpy()
    overlap[label[:, None] != true_class[None, :]] = 0
    for i in np.argsort(-confidence, kind="stable"):
        best = int(overlap[i].argmax())
        if overlap[i, best] >= IOU:
            out[i] = True
            overlap[:, best] = 0
    return out
