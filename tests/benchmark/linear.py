"""Stage ``linear``: twice the volume must not take much more than twice the time.

For inference the volumes are cut into three and seven windows along x, so that the table shows cost and not how windows
happen to fit; voxels computed per voxel are in the notes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ensemble.clustering import FusionRule, fuse
from evaluation.metric import kaggle_score
from models.sliding_window import plan_windows
from tests.benchmark.centroids import peaks
from tests.benchmark.measure import Timing, interleave
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import Scale
from tests.benchmark.scenes import class_maps, scored, tomogram, unet
from tomograms.particles import CZII

MOST = 2.1


def row(work: str, times: dict[str, Timing], notes: dict[str, float]) -> Row:
    """Return the row of one kind of work."""
    ratio = times["twice"].wall / times["once"].wall
    notes = {"once, s": times["once"].wall, "ratio of CPU times": times["twice"].cpu / times["once"].cpu, **notes}
    return Row(
        f"linear: {work.partition(',')[0]}",
        work,
        times["twice"],
        floors=(Limit("times the time", ratio, MOST),),
        notes=notes,
    )


def inference(scale: Scale) -> Row:
    """Return the row of the U-Net."""
    predictor = unet(scale)
    settings, multiple = predictor.settings, predictor.network.multiple
    z, y, x = scale.pick((184, 256, 1000), (24, 32, 96))
    images = {"once": tomogram((z, y, x))[0], "twice": tomogram((z, y, 2 * x))[0]}
    times, _ = interleave(
        {name: lambda image=image: predictor.predict(image) for name, image in images.items()},
        repeats=scale.pick(3, 1),
        most=120,
    )

    def computed(shape: tuple[int, ...]) -> int:
        window, corners = plan_windows(shape, settings.window, settings.overlap, multiple)
        return len(corners) * int(np.prod(window))

    notes = {name: computed(image.volume.shape) / image.volume.size for name, image in images.items()}
    return row(
        f"inference, {z}x{y}x{2 * x}, twice {z}x{y}x{x}",
        times,
        {f"{name}: voxels computed per voxel": value for name, value in notes.items()},
    )


def map_peaks(scale: Scale) -> Row:
    """Return the row of the peaks of class maps."""
    z, y, x = scale.pick((184, 630, 315), (40, 100, 60))
    maps = {n: class_maps((z, y, k * x), k * scale.pick(50, 1), noise=0.5)[0] for n, k in (("once", 1), ("twice", 2))}
    times, _ = interleave({n: lambda m=m: peaks(m) for n, m in maps.items()}, repeats=scale.pick(5, 1))
    return row(f"peaks, {z}x{y}x{2 * x}, twice {z}x{y}x{x}", times, {})


def tables(scale: Scale) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Return truth and candidates of some tomograms, and of twice as many."""
    runs, per_species, candidates = scale.pick((7, 100, 3000), (2, 5, 60))
    return {"once": scored(runs, per_species, candidates), "twice": scored(2 * runs, per_species, candidates)}


def fusion(scale: Scale) -> Row:
    """Return the row of the clustering of two members' candidates."""
    rule = FusionRule({"a": 0.5, "b": 0.5}, 0.5, {"a": 1.0, "b": 1.0})
    rules = {particle.name: rule for particle in CZII}
    inputs = {}
    for name, (_, table) in tables(scale).items():
        shaken = table.assign(
            **{axis: table[axis] + np.random.default_rng(3).normal(0, 5, len(table)) for axis in "xyz"}
        )
        members = [t.assign(member=member, model="one") for t, member in ((table, "a"), (shaken, "b"))]
        inputs[name] = pd.concat(members, ignore_index=True)
    ways = {name: lambda table=table: fuse(table, CZII, rules=rules) for name, table in inputs.items()}
    times, _ = interleave(ways, repeats=scale.pick(7, 1))
    return row(f"fusion, {len(inputs['twice'])} candidates of two members, twice {len(inputs['once'])}", times, {})


def metric(scale: Scale) -> Row:
    """Return the row of the metric."""
    inputs = tables(scale)
    ways = {name: lambda pair=pair: kaggle_score(*pair, CZII) for name, pair in inputs.items()}
    times, _ = interleave(ways, repeats=scale.pick(21, 1))
    return row(f"metric, {len(inputs['twice'][1])} candidates, twice {len(inputs['once'][1])}", times, {})


def run(scale: Scale) -> list[Row]:
    """Return a row for each kind of work."""
    return [inference(scale), map_peaks(scale), fusion(scale), metric(scale)]
