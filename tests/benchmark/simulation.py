"""``python -m tests.benchmark.simulation``: how fast tomograms are simulated, and how real they look.

The tomogram has 41 tilts and the competition's counts. The look is compared with the real tomograms' percentiles. The
same figures are the stage ``simulation`` of the benchmark.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tests.benchmark.measure import interleave, memory_of, once
from tests.benchmark.rows import Limit, Row, table
from tests.benchmark.scale import FULL_SHAPE, Scale
from tomograms.particles import CZII
from tomograms.tomogram import Tomogram

PERCENTILES = {0.1: -10.0, 1.0: -5.7, 99.0: 2.2, 99.9: 3.1}
"""Of real tomograms, in units of 1.4826 x MAD around the median."""
SECONDS, MEMORY = 90.0, 8.0


def simulated(shape: tuple[int, ...], *, seed: int, device: str) -> tuple[Tomogram, pd.DataFrame]:
    """Return a simulated tomogram of 41 tilts, and its truth."""
    from tomograms.simulator.library import built_in_species
    from tomograms.simulator.settings import CZII_LIKE
    from tomograms.simulator.simulate import simulate

    settings = replace(CZII_LIKE, half_range=(60, 60), step=(3, 3))
    species = built_in_species(CZII, settings.voxel_size)  # made once in a process
    return simulate(settings, seed, shape, species=species, device=device)


def percentiles(tomogram: Tomogram) -> dict[float, float]:
    """Return the percentiles of `PERCENTILES`, in its units."""
    median = np.median(tomogram.volume)
    scale = 1.4826 * np.median(np.abs(tomogram.volume - median))
    return dict(zip(PERCENTILES, (np.percentile(tomogram.volume, list(PERCENTILES)) - median) / scale, strict=True))


def measured(shape: tuple[int, ...], *, seed: int, device: str, repeats: int, memory: bool) -> Row:
    """Return the row of one size."""
    from tomograms.simulator.library import built_in_species
    from tomograms.simulator.settings import CZII_LIKE

    made, _ = once(lambda: built_in_species(CZII, CZII_LIKE.voxel_size))
    times, results = interleave({"ours": lambda: simulated(shape, seed=seed, device=device)}, repeats=repeats)
    tomogram, picks = results["ours"]
    floors = [Limit("seconds", times["ours"].wall, SECONDS)]
    notes = {
        "densities of the species, once, s": made.wall,
        "Mvoxel/s": tomogram.volume.size / times["ours"].wall / 1e6,
        "Mvoxel/s of one core": tomogram.volume.size / times["ours"].cpu / 1e6,
    }
    if memory:
        floors.append(Limit("peak memory, GiB", memory_of("simulation", shape=shape)["peak"], MEMORY))
    for rank, value in percentiles(tomogram).items():
        notes[f"{rank} % of the voxels lie below (real: {PERCENTILES[rank]:.1f})"] = float(value)
    work = f"{'x'.join(map(str, shape))}, 41 tilts, {len(picks)} particles, {device}"
    return Row("simulation", work, times["ours"], floors=tuple(floors), notes=notes)


def run(scale: Scale) -> list[Row]:
    """Return the row; the floors are those of the competition's size."""
    shape = scale.pick(FULL_SHAPE, (24, 64, 64))
    return [measured(shape, seed=0, device=scale.device, repeats=scale.pick(2, 1), memory=scale.full)]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    from tomograms.console import console

    options = argparse.ArgumentParser(prog="python -m tests.benchmark.simulation", description=__doc__)
    options.add_argument("--shape", type=int, nargs=3, default=FULL_SHAPE, metavar=("Z", "Y", "X"))
    options.add_argument("--device", default="cpu")
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args(argv)
    row = measured(tuple(arguments.shape), seed=arguments.seed, device=arguments.device, repeats=1, memory=True)
    console().print(table([row], "simulation"))
    for name, value in (row.notes or {}).items():
        console().print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
