"""Simulated tomograms without end, straight into training: nothing touches the disk."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from tomograms.simulator.densities import Species
from tomograms.simulator.settings import Settings
from tomograms.simulator.simulate import simulate
from tomograms.tomogram import Tomogram, normalise


def stream_tomograms(
    settings: Settings,
    seed: int,
    shape: tuple[int, int, int],
    *,
    species: Callable[[np.random.Generator], Sequence[Species]],
    start: int = 0,
    device: str = "cpu",
) -> Iterator[tuple[Tomogram, pd.DataFrame]]:
    """Yield normalised tomograms named ``{seed}-{index}`` and their truth, each under conditions of its own.

    Parameters
    ----------
    settings, shape, device
        See `simulate`.
    seed
        Tomogram ``index`` depends on it and on the index only.
    species
        Gives each tomogram's species, as `library.varied_species` does.
    start
        Index of the first one: where an interrupted training goes on.
    """
    index = start
    while True:
        name = f"{seed}-{index}"
        drawn = species(np.random.default_rng((seed, index, 1)))
        tomogram, picks = simulate(settings, (seed, index), shape, species=drawn, name=name, device=device)
        yield Tomogram(name, normalise(tomogram.volume), tomogram.voxel_size), picks
        index += 1
