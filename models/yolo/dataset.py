"""The slices of some tomograms as an Ultralytics data set on disk: images, circle labels, ``data.yaml``."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from models.member import Training, Validation
from models.yolo.settings import YoloSettings
from models.yolo.slices import Canvas, canvas, chosen_slabs, circles, image, middle, polygons, slabs, slabs_inside
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram


def write_dataset(directory: Path, training: Training) -> tuple[Path, int]:
    """Write ``images/{train,val}``, ``labels/{train,val}`` and ``data.yaml``.

    Ultralytics insists on a validation set: without a validation tomogram it is one training slice.

    Returns
    -------
    path
        ``data.yaml``.
    side
        The images' rows and columns.

    Raises
    ------
    InputError
        If no training tomogram has a pick.
    """
    tomograms, particles, settings = training.tomograms, training.particles, training.settings
    names = [tomogram.name for tomogram in tomograms]
    if not training.picks["experiment"].isin(names).any():
        raise InputError(f"expected picks in the training tomograms, but {', '.join(names)} have none")
    side = max(canvas(t.volume.shape, settings.zoom).side for t in tomograms)
    for tomogram in tomograms:
        _write_slices(directory, "train", tomogram, training.of(tomogram), settings.step, particles, settings, side)
    validation = training.validation or Validation(tomograms[0], training.of(tomograms[0]))
    step = settings.watch_step if training.validation else len(tomograms[0].volume)
    _write_slices(directory, "val", validation.tomogram, validation.picks, step, particles, settings, side)
    classes = {i: p.name for i, p in enumerate(sorted(particles, key=lambda p: p.label))}
    data = {"path": str(directory.resolve()), "train": "images/train", "val": "images/val", "names": classes}
    path = directory / "data.yaml"
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")  # JSON is YAML
    return path, side


def _write_slices(
    directory: Path,
    split: str,
    tomogram: Tomogram,
    picks: pd.DataFrame,
    step: int,
    particles: Sequence[Particle],
    settings: YoloSettings,
    side: int,
) -> None:
    images, labels = directory / "images" / split, directory / "labels" / split
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    classes = {p.label: i for i, p in enumerate(sorted(particles, key=lambda p: p.label))}
    frame = canvas(tomogram.volume.shape, settings.zoom, side=side)
    levels = slabs(tomogram.volume, settings.thickness)
    chosen = chosen_slabs(len(levels), step)
    if tomogram.mask is not None:
        chosen = slabs_inside(chosen, tomogram.mask, settings.thickness)
    for index, z in zip(chosen, middle(chosen, settings.thickness), strict=True):
        picture = image(levels, int(index), gap=settings.gap, canvas=frame)
        stem = f"{tomogram.name}_{index:04d}"
        _, content = cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        (images / f"{stem}.png").write_bytes(content.tobytes())  # imwrite says nothing of a full disk
        label, centre, radius = circles(
            picks,
            particles,
            tomogram.voxel_size,
            z=float(z),
            label_fraction=settings.label_fraction,
            radius_scale=settings.radius_scale,
        )
        lines = _lines([classes[int(i)] for i in label], centre, radius, frame)
        (labels / f"{stem}.txt").write_text("".join(lines), encoding="utf-8")


def _lines(classes: list[int], centre: np.ndarray, radius: np.ndarray, frame: Canvas) -> list[str]:
    # One line a circle: its class, then its corners as fractions of the image, cut off at the image's edge.
    corners = np.clip(frame.to_pixels(polygons(centre, radius)) / frame.side, 0.0, 1.0)
    whole = np.ptp(corners, axis=1).min(axis=1) > 1e-3 if len(corners) else []
    return [
        f"{c} " + " ".join(f"{value:.6f}" for value in corner.ravel()) + "\n"
        for c, corner, keep in zip(classes, corners, whole, strict=True)
        if keep
    ]


def keep_dataset(work: Path, target: Path) -> None:
    """Move the data set out of the folder that is removed after training; ``data.yaml`` then names its new place."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("images", "labels"):
        shutil.move(work / name, target / name)
    data = json.loads((work / "data.yaml").read_text(encoding="utf-8"))
    (target / "data.yaml").write_text(json.dumps(data | {"path": str(target)}, indent=1) + "\n", encoding="utf-8")
