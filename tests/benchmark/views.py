"""Stage ``views``: what a further view of test-time augmentation costs, and the memory that views take.

The first view's cost is that of a tomogram with one view, from its file to its candidates; further views share the
reading, the normalising, the blending and the peaks. What they cost of the network's own time is in the notes.
"""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from models.window_predictor import WindowPredictor
from postproc.peaks import map_candidates
from tests.benchmark.measure import interleave, memory_of
from tests.benchmark.reading import ours as read
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import FULL_SHAPE, VOXEL_SIZE, Scale
from tests.benchmark.scenes import tomogram, unet
from tomograms.ome_zarr import write_volume
from tomograms.particles import CZII
from tomograms.tomogram import Tomogram

FURTHER = 0.9
MEMORY = 4.0


def from_file(path: Path, predictor: WindowPredictor) -> pd.DataFrame:
    """Return a tomogram's candidates."""
    maps = predictor.predict(Tomogram("TS_1", read(path), VOXEL_SIZE))
    return map_candidates(maps, CZII, VOXEL_SIZE, experiment="TS_1", member="unet", model="one")


def run(scale: Scale) -> list[Row]:
    """Return the row; the memory is that of the preset's network and windows on the competition's volume."""
    shape = scale.pick((184, 256, 448), (24, 32, 56))
    count = scale.pick(4, 2)
    image, _ = tomogram(shape)
    one, many = copy.copy(unet(scale)), copy.copy(unet(scale))
    one.views, many.views = 1, count
    with TemporaryDirectory() as folder:
        path = Path(folder) / "denoised.zarr"
        write_volume(path, image.volume * np.float32(7e-6), VOXEL_SIZE)
        ways = {
            "one": lambda: from_file(path, one),
            "many": lambda: from_file(path, many),
            "network one": lambda: one.predict(image),
            "network many": lambda: many.predict(image),
        }
        times, _ = interleave(ways, repeats=scale.pick(5, 2), most=240)

    def further(name: str, clock: str) -> float:
        first, all_ = (getattr(times[f"{name}{which}"], clock) for which in ("one", "many"))
        return (all_ / first - 1) / (count - 1)

    floors = [Limit("a further view, in first ones", further("", "wall"), FURTHER)]
    notes = {
        "a further view in first ones, CPU time": further("", "cpu"),
        "network alone: a further view in first ones": further("network ", "wall"),
        "network alone: a further view in first ones, CPU time": further("network ", "cpu"),
    }
    if scale.full:
        used = memory_of("inference", shape=FULL_SHAPE, views=2)
        floors.append(Limit("memory above the weights, GiB", used["peak"] - used["base"], MEMORY))
        notes["peak memory, GiB"] = used["peak"]
    work = f"{'x'.join(map(str, shape))}, from file to candidates, {count} views"
    return [Row("views", work, times["many"], floors=tuple(floors), notes=notes)]
