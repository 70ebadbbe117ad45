"""Pre-training of YOLO on slices that never touch the disk; see `models.member.Learner`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from compute.devices import resolve_device
from compute.precision import compute_dtype
from models.training.network_state import NetworkState
from models.weights import header
from models.yolo.network import SliceModel, build_network, find_weights, start_network
from models.yolo.prediction import YoloPredictor, turn
from models.yolo.runtime import ap_per_class, box_iou, get_cfg
from models.yolo.settings import YoloSettings
from models.yolo.slices import Canvas, canvas, chosen_slabs, circles, image, middle, slabs
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

WARMUP = 0.03
CLIP = 10.0
"""Norm at which gradients are cut, as in Ultralytics' own trainer, whose recipe this follows."""
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


class YoloLearner(NetworkState):
    """A YOLO network on slices of the pool's tomograms; its validation score is the mean AP at an overlap of 0.5.

    A batch holds slices of any of the pool's tomograms, each seen in one of the 8 views of a square, right way up or
    with its slabs in reverse.
    """

    renew = 25

    def __init__(self, settings: YoloSettings, particles: Sequence[Particle], seed: int, device: str) -> None:
        self.settings = settings
        self.particles = sorted(particles, key=lambda p: p.label)
        where = resolve_device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self._build(where)
        pretrained = find_weights(settings)
        if pretrained is not None:
            start_network(network, pretrained, self.particles)
        network.dtype = compute_dtype(where, settings.precision)
        kernels = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]  # norms and biases
        groups = [
            {"params": kernels, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        peak = settings.lr0 if pretrained is None else settings.fine_lr0
        super().__init__(
            network,
            self._build(where),
            torch.optim.AdamW(groups, betas=(settings.momentum, 0.999), fused=True),
            peaks=(peak, peak),
            warmup=WARMUP,
            decay=settings.ema_decay,
            clip=CLIP,
            dtype=network.dtype,
        )

    def _build(self, device: torch.device) -> SliceModel:
        settings = self.settings
        network = build_network(settings.network, len(self.particles), kind=SliceModel)
        network.args = get_cfg(overrides={"box": settings.box, "cls": settings.cls, "dfl": settings.dfl})
        return network.to(device, memory_format=torch.channels_last)

    def prepare(self, tomogram: Tomogram, picks: pd.DataFrame) -> Slices:
        """See `models.member.Learner.prepare`."""
        frame = canvas(tomogram.volume.shape, self.settings.zoom)
        return Slices(slabs(tomogram.volume, self.settings.thickness), picks, tomogram.voxel_size, frame)

    def train_step(self, pool: Sequence[Slices], *, rng: np.random.Generator, done: float) -> float:
        """See `models.member.Learner.train_step`."""
        self.network.train()
        total, _ = self.network.loss(self._batch(pool, rng))
        loss = total.sum()
        self.descend(loss, done=done)
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
        network = self._build(self.device)
        network.load_state_dict(self.average.state_dict())
        labels = np.array([particle.label for particle in self.particles], np.int16)
        predictor = YoloPredictor(network, labels, self.settings, self.device)
        hits, confidences, found, true = [], [], [], []
        for tomogram in tomograms:
            boxes = predictor.predict(tomogram)
            slices = self.prepare(tomogram, picks[picks["experiment"] == tomogram.name])
            frame = slices.frame
            for index in chosen_slabs(len(slices.levels), self.settings.predict_step):
                box, truth = self._truth(slices, int(index), frame.side)
                at = boxes.slice_index == middle(index, self.settings.thickness)
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

    def write(self, path: Path) -> None:
        """See `models.member.Learner.write`."""
        self.save_average(path, header("yolo", self.settings, self.particles), half=True)


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
