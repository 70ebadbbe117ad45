"""What Ultralytics' trainer is told, and how many processes prepare its batches."""

from pathlib import Path
from typing import Any

from compute.cores import usable_cores
from compute.host_memory import shared_memory
from models.yolo.settings import YoloSettings

AHEAD = 2  # batches that each process which prepares them keeps ready, as torch does by default


def loader_processes(settings: YoloSettings, *, device: str, side: int) -> int:
    """Return how many processes prepare batches: the settings', or fewer where cores or shared memory do not suffice.

    Each keeps `AHEAD` batches in shared memory, of which a container may have 64 MB. Half of it is left to others.
    """
    if device == "cpu":
        return 0
    batch = 3 * settings.batch * side**2
    return min(settings.workers, usable_cores() - 1, shared_memory() // (2 * AHEAD * batch))


def arguments(
    settings: YoloSettings, *, data: Path, side: int, seed: int, directory: Path, device: str, fine: bool = False
) -> dict[str, Any]:
    """Return Ultralytics' training arguments; whatever of it could write, plot or stop early is off.

    ``fine``: the training starts from weights, and has the rate for that.
    """
    return {
        "model": f"{settings.network}.yaml",
        "data": str(data),
        "save_dir": str(directory),
        "imgsz": side,
        "device": device,
        "seed": seed,
        "deterministic": True,
        "workers": loader_processes(settings, device=device, side=side),
        "cache": "ram" if device == "cpu" else False,
        "plots": False,
        "save": False,
        "val": True,
        "patience": 0,
        "verbose": False,
        "pretrained": False,
        "epochs": settings.epochs,
        "warmup_epochs": settings.warmup_epochs,
        "warmup_bias_lr": 0.0,
        "batch": settings.batch,
        "nbs": settings.batch,
        "optimizer": settings.optimizer,
        "lr0": settings.fine_lr0 if fine else settings.lr0,
        "lrf": settings.lrf,
        "cos_lr": settings.cosine,
        "momentum": settings.momentum,
        "weight_decay": settings.weight_decay,
        "box": settings.box,
        "cls": settings.cls,
        "dfl": settings.dfl,
        "cls_pw": settings.class_power,
        "hsv_h": 0.0,
        "hsv_s": 0.0,
        "hsv_v": settings.brightness,
        "degrees": settings.degrees,
        "shear": settings.shear,
        "translate": settings.translate,
        "scale": settings.scale,
        "fliplr": settings.fliplr,
        "flipud": settings.flipud,
        "bgr": settings.zflip,
        "mosaic": settings.mosaic,
        "close_mosaic": settings.close_mosaic,
        "mixup": settings.mixup,
        "copy_paste": settings.copy_paste,
    }
