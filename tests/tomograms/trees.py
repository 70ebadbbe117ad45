"""Small trees on disk for the readers' tests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomograms.kaggle_tree import write_run
from tomograms.particles import CZII

SHAPE = (9, 12, 15)
VOXEL_SIZE = 10.012444


def grey(seed: int) -> NDArray[np.float32]:
    """Return noise like a tomogram's."""
    return (7e-6 * np.random.default_rng(seed).normal(size=SHAPE)).astype(np.float32)


def write_tree(root: Path, runs: Mapping[str, Mapping[str, ArrayLike]], *, split: str = "train") -> Path:
    """Write a Kaggle tree: picks xyz in Å by species, by run; the seed of a run's volume is its place."""
    for seed, (run, picks) in enumerate(runs.items()):
        positions = {name: np.asarray(xyz, np.float64).reshape(-1, 3) for name, xyz in picks.items()}
        write_run(root, split, run, volume=grey(seed), voxel_size=VOXEL_SIZE, picks=positions)
    return root


def write_config(path: Path, **changes: Any) -> Path:
    """Write a copick config for the tree beside it."""
    objects = [
        {
            "name": p.name,
            "is_particle": True,
            "label": p.label,
            "radius": p.radius,
            "color": [0, 0, 255, 255],
            "metadata": {"score_weight": p.weight},
        }
        for p in CZII
    ]
    content = {
        "config_type": "filesystem",
        "name": "test",
        "description": "",
        "version": "1.31.0",
        "overlay_root": f"local://{path.parent / 'train' / 'overlay'}",
        "overlay_fs_args": {"auto_mkdir": True},
        "static_root": f"local://{path.parent / 'train' / 'static'}",
        "static_fs_args": {"auto_mkdir": True},
        "pickable_objects": objects,
    }
    path.write_text(json.dumps({**content, **changes}))
    return path


def picks_folder(root: Path, run: str, *, split: str = "train") -> Path:
    """Return the folder of a run's picks."""
    return root / split / "overlay" / "ExperimentRuns" / run / "Picks"


def volume_folder(root: Path, run: str, *, split: str = "train") -> Path:
    """Return the folder of a run's denoised volume."""
    return root / split / "static" / "ExperimentRuns" / run / "VoxelSpacing10.000" / "denoised.zarr"


def set_voxel_size(volume: Path, size: float) -> None:
    """Make a stored volume's metadata say another voxel size, Å."""
    metadata = json.loads((volume / ".zattrs").read_text())
    for transformation in metadata["multiscales"][0]["datasets"][0]["coordinateTransformations"]:
        if transformation["type"] == "scale":
            transformation["scale"] = [size] * 3
    (volume / ".zattrs").write_text(json.dumps(metadata))
