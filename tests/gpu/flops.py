"""``python -m tests.gpu.flops``: floating-point operations of the preset ``full``, and hours that they would take."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from models.architecture import Architecture
from models.detector.network import DETECTOR
from models.detector.settings import FULL as FULL_DETECTOR
from models.unet.network import UNET
from models.unet.settings import FULL as FULL_UNET
from models.yolo.network import build_network as build_yolo
from models.yolo.settings import FULL as YOLO
from tomograms.particles import CZII

FOLDS, TOMOGRAMS, SHAPE, SIDE = 7, 6, (184, 630, 630), 640
GPUS = {"T4": (65e12, 0.20), "A100": (312e12, 0.20)}
"""Operations a second in fp16 with tensor cores, by the maker; the share of them that is assumed to be reached."""


def crops_step(architecture: Architecture, settings: Any) -> int:
    """Return the operations of one training step on crops, from a small crop: each voxel takes as many."""
    small = [side // 4 for side in settings.crop]
    counted = _counted(architecture.build(settings, len(CZII)), torch.zeros(1, 1, *small))
    return counted * settings.batch * math.prod(settings.crop) // math.prod(small)


def yolo_image(name: str = YOLO.network) -> int:
    """Return the operations of one image in training."""
    return _counted(build_yolo(name, len(CZII)).train(), torch.zeros(1, 3, SIDE, SIDE))


def _counted(network: Any, given: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        _total(network(given)).backward()
    return counter.get_total_flops()


def _total(output: Any) -> torch.Tensor:
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return torch.stack([_total(part) for part in output]).sum()
    return output.sum()


def whole() -> dict[str, float]:
    """Return the operations of all folds by member."""
    images = TOMOGRAMS * SHAPE[0] * YOLO.epochs
    return {
        "unet": float(FOLDS * FULL_UNET.steps * crops_step(UNET, FULL_UNET)),
        "detector": float(FOLDS * FULL_DETECTOR.steps * crops_step(DETECTOR, FULL_DETECTOR)),
        "yolo": float(FOLDS * images * yolo_image()),
        "yolo, yolo11l": float(FOLDS * images * yolo_image("yolo11l")),
    }


def table() -> str:
    """Return the estimates as rows of a table."""
    lines = [f"| member | operations, {FOLDS} folds | {' | '.join(f'hours on a {gpu}' for gpu in GPUS)} |"]
    lines += ["|---|---|" + "---|" * len(GPUS)]
    for member, operations in whole().items():
        hours = [f"about {operations / peak / share / 3600:.2g}" for peak, share in GPUS.values()]
        lines.append(f"| {member} | {operations:.2g} | {' | '.join(hours)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
