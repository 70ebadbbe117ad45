"""The stages by name. A stage is a module with ``run(scale) -> list of rows``; it is imported when it runs."""

from __future__ import annotations

from importlib import import_module

from tests.benchmark.rows import Row
from tests.benchmark.scale import Scale

STAGES = {
    "inference": "U-Net inference, same windows, against MONAI's sliding_window_inference",
    "windows": "U-Net inference, our windows against octopi's defaults",
    "views": "test-time augmentation: cost of a further view, memory",
    "training": "U-Net training steps against a MONAI dictionary pipeline with a DataLoader",
    "yolo": "YOLO slicing and prediction against Ultralytics' predict over PNG files",
    "overhead": "all but the networks, seven models together against one by one",
    "centroids": "centroids from class maps against labels and centres of mass",
    "fusion": "fusing a test set against a greedy loop with KD-trees; nested tuning",
    "metric": "the metric against KD-tree loops",
    "sweep": "exact threshold sweep against a grid",
    "reading": "reading and normalising a volume against reading it",
    "linear": "cost against work: twice the volume",
    "simulation": "simulation of a tomogram",
}


def run_stage(name: str, scale: Scale) -> list[Row]:
    """Return the rows of a stage."""
    return import_module(f"tests.benchmark.{name}").run(scale)
