"""``python -m tests.benchmark.simulation``: how fast tomograms are simulated, and how real they look.

The tomogram has 41 tilts and the competition's counts. The look is compared with the real tomograms' percentiles.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tomograms.particles import CZII
from tomograms.simulator.library import built_in_species
from tomograms.simulator.settings import CZII_LIKE
from tomograms.simulator.simulate import simulate

PERCENTILES = {0.1: -10.0, 1.0: -5.7, 99.0: 2.2, 99.9: 3.1}
"""Of real tomograms, in units of 1.4826 x MAD around the median."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmark.simulation", description=__doc__)
    options.add_argument("--shape", type=int, nargs=3, default=(184, 630, 630), metavar=("Z", "Y", "X"))
    options.add_argument("--device", default="cpu")
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args(argv)
    start = time.perf_counter()
    species = built_in_species(CZII, CZII_LIKE.voxel_size)
    print(f"densities of the species: {time.perf_counter() - start:.1f} s")
    settings = replace(CZII_LIKE, half_range=(60, 60), step=(3, 3))
    start, used = time.perf_counter(), time.process_time()
    tomogram, picks = simulate(
        settings, arguments.seed, tuple(arguments.shape), species=species, device=arguments.device
    )
    wall, used = time.perf_counter() - start, time.process_time() - used
    voxels = tomogram.volume.size
    size = "x".join(map(str, arguments.shape))
    print(f"{size} voxels, 41 tilts, {len(picks)} particles, {arguments.device}: {wall:.1f} s")
    print(
        f"finished voxels: {voxels / wall / 1e6:.2f} M per second, {voxels / used / 1e6:.2f} M per second of one core"
    )
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    median = np.median(tomogram.volume)
    scale = 1.4826 * np.median(np.abs(tomogram.volume - median))
    found = (np.percentile(tomogram.volume, list(PERCENTILES)) - median) / scale
    for (rank, real), value in zip(PERCENTILES.items(), found, strict=True):
        print(f"{rank} % of the voxels lie below {value:.1f} (real: {real:.1f})")


if __name__ == "__main__":
    main()
