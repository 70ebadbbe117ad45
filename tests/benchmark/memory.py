"""``python -m tests.benchmark.memory TASK --shape Z Y X``: peak memory of one task, in a process of its own.

Prints JSON: ``base``, GiB resident when modules and weights are there and the work begins, and ``peak``.
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.benchmark.scale import VOXEL_SIZE


def prepare_inference(shape: tuple[int, ...], views: int, window: tuple[int, int, int] | None) -> Callable[[], object]:
    """Return the prediction of a tomogram of noise, which the work makes, by an untrained U-Net."""
    import torch

    from models.unet.network import UNET, build_network
    from models.unet.settings import SHORT
    from models.window_predictor import WindowPredictor
    from tomograms.particles import CZII
    from tomograms.tomogram import Tomogram

    settings = replace(SHORT, views=views, window=window or SHORT.window)
    classes = 1 + len(CZII)
    predictor = WindowPredictor(UNET, build_network(settings, classes), settings, classes - 1, torch.device("cpu"))
    predictor.predict(Tomogram("warm-up", np.zeros((16, 16, 16), np.float32), VOXEL_SIZE))  # what is loaded lazily

    def work() -> object:
        volume = np.random.default_rng(0).standard_normal(shape, np.float32)
        return predictor.predict(Tomogram("noise", volume, VOXEL_SIZE))

    return work


def prepare_peaks(shape: tuple[int, ...]) -> Callable[[], object]:
    """Return the peaks of class maps at half of ``shape``, which the work makes."""
    from postproc.peaks import map_candidates
    from tests.benchmark.scenes import class_maps
    from tomograms.particles import CZII

    def work() -> object:
        maps, _ = class_maps(shape, per_species=2, noise=0.0)
        return map_candidates(maps, CZII, VOXEL_SIZE, experiment="TS_1", member="unet", model="one")

    return work


def prepare_simulation(shape: tuple[int, ...]) -> Callable[[], object]:
    """Return the simulation of a tomogram of 41 tilts."""
    from tests.benchmark.simulation import simulated

    return lambda: simulated(shape, seed=0, device="cpu")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmark.memory", description=__doc__)
    options.add_argument("task", choices=("inference", "peaks", "simulation"))
    options.add_argument("--shape", type=int, nargs=3, required=True, metavar=("Z", "Y", "X"))
    options.add_argument("--views", type=int, default=1)
    options.add_argument("--window", type=int, default=0, help="side of the window; 0: the preset's window")
    arguments = options.parse_args(argv)
    shape = tuple(arguments.shape)
    side = arguments.window
    if arguments.task == "inference":
        work = prepare_inference(shape, arguments.views, (side, side, side) if side else None)
    elif arguments.task == "peaks":
        work = prepare_peaks(shape)
    else:
        work = prepare_simulation(shape)
    base = resident("VmRSS")
    work()
    print(json.dumps({"base": base, "peak": resident("VmHWM")}))


def resident(figure: str) -> float:
    """Return this process's resident memory, GiB: now (``VmRSS``) or at its peak (``VmHWM``).

    Where there is no /proc, either is the peak that ``getrusage`` knows. Linux's own takes that from the process that
    started this one, if it was larger.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{figure}:")) / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
