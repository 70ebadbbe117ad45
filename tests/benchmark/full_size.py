"""``python -m tests.benchmark.full_size``: a full-size tomogram through U-Net, peaks and submission; its peak memory.

The tomogram is noise and the network untrained: neither the time nor the memory of inference depends on them. Noise
gives more candidates than any real tomogram.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from models.registry import get_member
from models.unet.network import build_network
from models.weights import header, save_weights
from submissions.export.submission import Extent, clip, read_submission, write_submission
from submissions.prediction.averaging import predict_member
from tests.benchmark.memory import resident
from tomograms.dataset import open_dataset
from tomograms.kaggle_tree import write_run
from tomograms.particles import CZII

SHAPE = (184, 630, 630)
VOXEL_SIZE = 10.012444


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmark.full_size", description=__doc__)
    options.add_argument("--shape", type=int, nargs=3, default=SHAPE, metavar=("Z", "Y", "X"))
    options.add_argument("--preset", default="short", help="of the U-Net (default: short)")
    arguments = options.parse_args(argv)
    shape = tuple(arguments.shape)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        volume = np.random.default_rng(0).normal(0, 1e-5, shape).astype(np.float32)
        write_run(root / "data", "test", "TS_1", volume=volume, voxel_size=VOXEL_SIZE, picks={})
        write_run(root / "data", "train", "TS_2", volume=volume[:8, :8, :8], voxel_size=VOXEL_SIZE, picks={})
        del volume
        settings = get_member("unet").presets[arguments.preset]
        card = header("unet", settings, CZII)
        save_weights(root / "model/weights.safetensors", build_network(settings, 7).state_dict(), card)
        seconds: dict[str, float] = {}
        with timed(seconds, "reading and normalising"):
            tomogram = open_dataset(root / "data").tomogram("TS_1")
        with timed(seconds, "inference and peaks"):
            models = {"model": get_member("unet").load(root / "model", "auto")}
            candidates = predict_member(tomogram, models, particles=CZII, member="unet")
        with timed(seconds, "submission"):
            extents = {"TS_1": Extent(shape, VOXEL_SIZE)}
            write_submission(root / "submission.csv", [clip(candidates, extents)])
            rows = len(read_submission(root / "submission.csv", particles=CZII, extents=extents))
    for stage, value in seconds.items():
        print(f"{stage}: {value:.1f} s")
    print(f"{'x'.join(map(str, shape))} voxels, preset {arguments.preset}: {rows} rows")
    print(f"peak memory: {resident('VmHWM'):.2f} GiB")


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Record how long a block takes."""
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start


if __name__ == "__main__":
    main()
