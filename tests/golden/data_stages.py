"""Stages that read and prepare data: reading, targets, crops, slices, and the simulator."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.training.crops import TrainingVolume, draw_batch, species_shares
from models.training.targets import ball_targets
from models.yolo.prediction import complete
from models.yolo.slices import canvas, circles, image, middle, polygons, slabs
from tests.golden.inputs import BALL_AND_SHELL, TRIO, balls
from tests.golden.store import digest, statistics
from tests.tomograms.arrays import write_format_2
from tomograms.coordinates import to_index
from tomograms.dataset import open_dataset
from tomograms.kaggle_tree import write_run
from tomograms.ome_zarr import find_volume, open_store
from tomograms.particles import CZII
from tomograms.picks import make_truth, write_pick_set
from tomograms.simulator.library import built_in_species
from tomograms.simulator.projection import project
from tomograms.simulator.scene import compose
from tomograms.simulator.settings import TRAINING, draw
from tomograms.simulator.simulate import simulate
from tomograms.simulator.tilts import tilt_series

SHAPE = (10, 14, 16)
PICKS = {
    "ribosome": [[40.0, 30.5, 20.25], [100.0, 90.0, 50.0]],
    "apo-ferritin": [[70.125, 60.0, 45.0], [0.0, 0.0, 0.0], [155.0, 135.0, 95.0]],
    "virus-like-particle": [[-60.0, 70.0, 45.0]],
}


SIMULATED = replace(
    TRAINING,
    counts={"apo-ferritin": (1500, 1500), "beta-galactosidase": (1000, 1000)},
    distractors=(100, 100),
    vesicles=(80, 80),
    gold=(60, 60),
    half_range=(45, 45),
    step=(15, 15),
    crowding=(5, 5),
)


def reading(folder: Path) -> dict[str, Any]:
    """A Kaggle tree: what its writer writes, and what the reader makes of it."""
    tree = folder / "tree"
    for seed, (split, run) in enumerate([("train", "TS_2"), ("train", "TS_1"), ("test", "TS_1"), ("test", "TS_9")]):
        picks = {name: np.array(xyz) for name, xyz in PICKS.items()} if split == "train" else {}
        write_run(tree, split, run, volume=_structured(seed), voxel_size=10.012444, picks=picks)
    _write_integers(tree / "train/static/ExperimentRuns/TS_2/VoxelSpacing10.000/wbp.zarr")
    dataset = open_dataset(tree)
    tomogram = dataset.tomogram("TS_1")
    files = sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())
    attributes = tree / "train/static/ExperimentRuns/TS_1/VoxelSpacing10.000/denoised.zarr/.zattrs"
    record = {key: value for key, value in asdict(dataset.record()).items() if key != "root"}
    wbp = open_dataset(tree, tomogram_type="wbp")
    content = {
        "files": [name for name in files if "/TS_1/" in name],
        "attributes": json.loads(attributes.read_text(encoding="utf-8")),
        "record": record,
        "runs": {split: dataset.runs(split) for split in ("train", "test")},
        "picked": {run: dataset.has_picks(run) for run in ("TS_1", "TS_2", "TS_9")},
        "particles": dataset.particles,
        "simulated": dataset.simulated,
        "shape": dataset.shape("TS_1"),
        "voxel_size": dataset.voxel_size("TS_1"),
        "tomogram": {
            "name": tomogram.name,
            "voxel_size": tomogram.voxel_size,
            **digest(tomogram.volume),
            **statistics(tomogram.volume),
            "rows": tomogram.volume[4, 5:7],
        },
        "wbp": digest(wbp.tomogram("TS_2").volume),
        "wbp fingerprint": wbp.fingerprint(["TS_2"]),
    }
    return {"reading.json": content, "reading-picks.csv": dataset.picks("TS_1")}


def ome_zarr(folder: Path) -> dict[str, Any]:
    """A volume of integers in nanometres, with chunks that overhang its edges."""
    _write_integers(folder / "wbp.zarr")
    stored = find_volume(open_store(folder / "wbp.zarr"), "wbp.zarr")
    volume = stored.read()
    content = {
        "path": stored.path,
        "shape": stored.shape,
        "chunks": stored.layout.chunks,
        "separator": stored.layout.separator,
        "voxel_size": stored.voxel_size,
        "keys": [f"{stored.path}/{key}" for key in stored.layout.files()],
        "fingerprint": stored.fingerprint(),
        "volume": digest(volume),
        "plane": volume[9],
    }
    return {"ome-zarr.json": content}


def pick_file(folder: Path) -> dict[str, Any]:
    """A file of picks, as it is written."""
    path = folder / "curation_0_ribosome.json"
    write_pick_set(path, np.array(PICKS["ribosome"]), user="curation", session="0", run="TS_1")
    return {"pick-file.json": path.read_text(encoding="utf-8")}


def targets(folder: Path) -> dict[str, Any]:
    """The label map of overlapping balls, at edges and between voxels too."""
    picks = pd.concat(
        [
            make_truth(
                "TS_1",
                "easy",
                [[80.0, 80.0, 60.0], [3.0, 4.0, 1.0], [215.0, 155.0, 75.0], [100.0, 30.0, 0.0], [155.0, 125.0, 25.0]],
            ),
            make_truth("TS_1", "hard", [[110.0, 80.0, 60.0], [40.0, 140.0, 90.0]]),
            make_truth("TS_1", "unscored", [[170.0, 60.0, 40.0]]),
        ],
        ignore_index=True,
    )
    out = {}
    for fraction in (0.5, 0.05):
        labels = ball_targets(picks, (5, 9, 12), 10.0, particles=TRIO, radius_fraction=fraction, stride=2, origin=0.5)
        out[f"radius_fraction {fraction}"] = {
            **digest(labels),
            "planes": [["".join(map(str, row)) for row in plane] for plane in labels],
        }
    return {"targets.json": out}


def crops(folder: Path) -> dict[str, Any]:
    """Batches of training crops from two volumes."""
    volumes = []
    for seed, centres in enumerate(([(6, 10, 12), (14, 20, 30)], [(9, 30, 8), (10, 12, 33), (15, 25, 20)])):
        tomogram, picks = balls(f"TS_{seed}", seed, (20, 36, 40), BALL_AND_SHELL, centres)
        labels = ball_targets(
            picks, (10, 18, 20), 10.0, particles=BALL_AND_SHELL, radius_fraction=0.5, stride=2, origin=0.5
        )
        code = {p.name: p.label for p in BALL_AND_SHELL}
        volumes.append(
            TrainingVolume(
                tomogram.volume,
                labels,
                to_index(picks[["x", "y", "z"]].to_numpy(), 10.0),
                np.array([code[name] for name in picks["particle_type"]], np.int64),
            )
        )
    out: dict[str, Any] = {"shares": species_shares(TRIO)}
    for size in ((8, 16, 16), (12, 16, 24)):
        rng = np.random.default_rng([7, 1])
        images, labels, _ = draw_batch(
            volumes,
            size=size,
            batch=6,
            stride=2,
            around_picks=0.7,
            shares=species_shares(BALL_AND_SHELL),
            rng=rng,
        )
        out["x".join(map(str, size))] = {
            "crops": digest(images),
            "targets": digest(labels),
            "labels": [np.bincount(target.ravel(), minlength=3) for target in labels],
            "corners": images[:, 0, 0, 0, 0],
            "next draw": float(rng.random()),
        }
    return {"crops.json": out}


def slices(folder: Path) -> dict[str, Any]:
    """Slabs as grey levels, and images of three of them."""
    volume = balls("TS_1", 3, (9, 40, 36), BALL_AND_SHELL, [(4, 20, 14), (2, 5, 30)])[0].volume
    out: dict[str, Any] = {}
    for thickness in (1, 3):
        levels = slabs(volume, thickness)
        frame = canvas(volume.shape, 1.0)
        pictures = [image(levels, index, gap=2, canvas=frame) for index in (0, 4, len(levels) - 1)]
        out[f"thickness {thickness}"] = {
            "slabs": digest(levels),
            "row": levels[4, 20],
            "middle": middle(np.arange(3), thickness),
            "images": [digest(picture) for picture in pictures],
            "pixels": pictures[1][22, 20:30],
        }
    return {"slices.json": out}


def zoomed_slices(folder: Path) -> dict[str, Any]:
    """Images at two pixels per voxel."""
    volume = balls("TS_1", 3, (9, 40, 36), BALL_AND_SHELL, [(4, 20, 14), (2, 5, 30)])[0].volume
    frame = canvas(volume.shape, 2.0)
    picture = image(slabs(volume, 1), 4, gap=2, canvas=frame).astype(np.float64)
    return {
        "slices-zoomed.json": {"shape": picture.shape, "pixels": picture[5::9, 9::11, 1], "rgb": picture[48, 30:40]}
    }


def circle_geometry(folder: Path) -> dict[str, Any]:
    """Particles as circles and polygons in slices, and the frames of images."""
    picks = balls("TS_1", 3, (9, 40, 36), BALL_AND_SHELL, [(4, 20, 14), (2, 5, 30), (7.5, 12.25, 3)])[1]
    frames = {
        f"{shape} zoom {zoom}": canvas(shape, zoom)
        for shape, zoom in (((9, 40, 36), 1.0), ((9, 40, 36), 2.0), ((9, 50, 33), 1.3))
    }
    out: dict[str, Any] = {}
    for z in (0.0, 4.5, 8.0):
        label, centre, radius = circles(picks, BALL_AND_SHELL, 10.0, z=z, label_fraction=0.5, radius_scale=0.9)
        out[f"z {z}"] = {"label": label, "centre": centre, "radius": radius}
    out["polygons"] = polygons(centre, radius)[:, ::5]
    corners = np.array([[0.0, 0.0], [12.5, 30.25]])
    boxes = np.array(
        [[0.0, 20.0, 9.0, 36.0], [46.0, 2.5, 64.0, 19.0], [20.0, 57.0, 40.0, 63.5], [5.0, 5.0, 20.0, 20.0]]
    )
    out["completed boxes"] = complete(boxes, canvas((9, 64, 64), 1.0))
    out["frames"] = {
        name: {
            "side": frame.side,
            "inner": frame.inner,
            "offset": frame.offset,
            "edges": frame.edges,
            "to_pixels": frame.to_pixels(corners),
            "to_index": frame.to_index(corners),
        }
        for name, frame in frames.items()
    }
    return {"circles.json": out}


def simulator(folder: Path) -> dict[str, Any]:
    """A small simulated tomogram and its truth; few tilts, so that few draws of the noise could come out otherwise."""
    species = built_in_species((CZII[0], CZII[2]), SIMULATED.voxel_size)
    tomogram, picks = simulate(SIMULATED, (3, 1), (24, 48, 40), species=species, name="SIM_1")
    volume = tomogram.volume.astype(np.float64) * 1e6
    content = {
        "name": tomogram.name,
        "voxel_size": tomogram.voxel_size,
        "shape": volume.shape,
        "dtype": str(tomogram.volume.dtype),
        **statistics(volume),
        "percentiles": np.percentile(volume, [1, 25, 50, 75, 99]),
        "rows": np.round(volume[12, ::24, ::2], 6),
        "planes": volume.mean(axis=(1, 2)),
    }
    return {"simulator.json": content, "simulator-picks.csv": picks}


def projections(folder: Path) -> dict[str, Any]:
    """A simulated sample, its tilt series, and its projections before any noise."""
    rng = np.random.default_rng(5)
    species = built_in_species((CZII[0], CZII[2]), SIMULATED.voxel_size)
    conditions = draw(SIMULATED, rng)
    scene = compose(SIMULATED, conditions, species, (24, 48, 40), rng)
    tilts = tilt_series(conditions, rng)
    matter = project(scene, tilts, (64, 72), "cpu").numpy()
    content = {
        "conditions": conditions,
        "poses": [len(poses.position) for poses in scene.poses],
        "first position": scene.poses[0].position[0],
        "first rotation": scene.poses[0].rotation[0],
        "tilts": tilts,
        "matter": [statistics(picture) for picture in matter[::3]],
        "row": matter[3, 32, ::6],
    }
    return {"simulator-projections.json": content}


def _structured(seed: int) -> np.ndarray:
    """Return a volume of a real one's size of values, with a ramp, noise and an outlier."""
    rng = np.random.default_rng(seed)
    volume = np.round(rng.normal(0, 1, SHAPE), 3) + 0.1 * np.arange(SHAPE[2])
    volume[4:7, 5:9, 6:11] -= 5
    volume[0, 0, 0] = 500
    return (volume * 7e-6).astype(np.float32)


def _write_integers(path: Path) -> None:
    """Write a volume of int16 as other programs may: small chunks, no compression, nanometres."""
    rng = np.random.default_rng(11)
    data = rng.integers(-300, 300, SHAPE).astype("<i2")
    write_format_2(path / "full", data, chunks=(4, 6, 7))
    level = {
        "version": "0.4",
        "axes": [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"],
        "datasets": [
            {"path": "full", "coordinateTransformations": [{"type": "scale", "scale": [1.0012, 1.0012, 1.0012]}]}
        ],
    }
    (path / ".zattrs").write_text(json.dumps({"multiscales": [level]}, indent=4, sort_keys=True))
