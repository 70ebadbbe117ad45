"""Stage ``yolo``: a volume sliced and predicted, against PNG files and Ultralytics' own predict; same weights."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from compute.devices import resolve_device
from models.outputs import SliceBoxes
from models.yolo.slices import canvas, image, slabs
from tests.benchmark.measure import interleave
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import FULL_SHAPE, Scale
from tests.benchmark.scenes import tomogram
from tomograms.particles import CZII
from tomograms.tomogram import Tomogram

FASTER = 1.5
FOUND = 0.8


def shipped(settings: Any) -> torch.nn.Module:
    """Return the network with the weights that ship with the project."""
    from models.initial import SHIPPED
    from models.weights import fill, load_weights
    from models.yolo.network import build_network

    network = build_network(settings.network, len(CZII))
    network.names = {i: particle.name for i, particle in enumerate(CZII)}
    path = SHIPPED / "yolo" / "weights.safetensors"
    fill(network, load_weights(path)[0], path)
    return network.eval()


def ultralytics_way(tomogram: Tomogram, network: torch.nn.Module, settings: Any, device: str) -> list[np.ndarray]:
    """Write a PNG file for each slice, let Ultralytics predict the folder, and return each slice's boxes (n, 6)."""
    import cv2
    from ultralytics import YOLO

    frame = canvas(tomogram.volume.shape, settings.zoom)
    levels = slabs(tomogram.volume, settings.thickness)
    model = YOLO(f"{settings.network}.yaml", task="detect")
    model.model = network
    with TemporaryDirectory() as folder:
        for i in range(len(levels)):
            picture = image(levels, i, gap=settings.gap, canvas=frame)
            cv2.imwrite(str(Path(folder) / f"{i:04d}.png"), picture[..., ::-1])
        found = model.predict(
            source=folder,
            imgsz=frame.side,
            conf=settings.confidence,
            iou=settings.nms_iou,
            max_det=settings.max_boxes,
            device=device,
            verbose=False,
            save=False,
        )
        top, left = frame.offset
        return [r.boxes.data.cpu().numpy() - np.array([left, top, left, top, 0, 0], np.float32) for r in found]


def share_found(ours: SliceBoxes, theirs: list[np.ndarray], size: tuple[int, int]) -> float:
    """Return the share of the peer's better half of boxes, each slice, that we have too: same class, IoU above 0.5.

    Ultralytics cuts boxes at the image's border; so are ours here. It takes one class per anchor, we take each that
    passes the threshold, so that suppression may choose another of two boxes that overlap by more than 0.5.
    """
    hits = total = 0
    edge = np.array(size + size, np.float32)
    for i, boxes in enumerate(theirs):
        boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")][: (len(boxes) + 1) // 2]
        boxes[:, :4] = np.clip(boxes[:, :4], 0, edge)
        here = np.flatnonzero(np.rint(ours.slice_index).astype(int) == i)
        mine = np.clip(ours.xyxy[here] + 0.5, 0, edge)  # ours count from voxel centres, theirs from the image's edge
        for box in boxes:
            same = mine[ours.label[here] == CZII[int(box[5])].label]
            low, high = np.maximum(same[:, :2], box[:2]), np.minimum(same[:, 2:], box[2:4])
            common = np.prod(np.clip(high - low, 0, None), axis=1)
            area = np.prod(same[:, 2:] - same[:, :2], axis=1) + np.prod(box[2:4] - box[:2]) - common
            hits += bool((common > 0.5 * area).any())
            total += 1
    return hits / total if total else 1.0


def run(scale: Scale) -> list[Row]:
    """Return the row."""
    from models.registry import get_member
    from models.yolo.prediction import YoloPredictor

    shape = scale.pick(FULL_SHAPE, (4, 96, 96))
    settings = replace(get_member("yolo").presets["short"], views=1, predict_step=1)  # as Ultralytics' own
    scene, _ = tomogram(shape)
    network = shipped(settings)
    labels = np.array([particle.label for particle in CZII], np.int16)
    where = resolve_device(scale.device)
    predictor = YoloPredictor(copy.deepcopy(network), labels, settings, where)
    exact = YoloPredictor(copy.deepcopy(network), labels, replace(settings, precision="fp32"), where)
    times, results = interleave(
        {
            "ours": lambda: predictor.predict(scene),
            "ultralytics": lambda: ultralytics_way(scene, copy.deepcopy(network), settings, scale.device),
        },
        repeats=scale.pick(3, 1),
        most=120,
    )
    theirs, size = results["ultralytics"], (shape[2], shape[1])
    return [
        Row(
            "yolo",
            f"{'x'.join(map(str, shape))}, {shape[0]} slices, {settings.network}, "
            f"{sum(map(len, theirs)) / len(theirs):.0f} boxes a slice",
            times["ours"],
            times["ultralytics"],
            "PNG files, Ultralytics predict",
            floors=(Limit("times as fast", times["ultralytics"].wall / times["ours"].wall, FASTER, at_least=True),),
            checks=(
                Limit(
                    "share of its boxes that we find (float32)",
                    share_found(exact.predict(scene), theirs, size),
                    FOUND,
                    True,
                ),
            ),
            notes={
                "share of its boxes that we find (our precision)": share_found(results["ours"], theirs, size),
                "slices/s": shape[0] / times["ours"].wall,
            },
        )
    ]
