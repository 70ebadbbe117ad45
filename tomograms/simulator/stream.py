"""Simulated tomograms without end, straight into training: nothing touches the disk."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import count
from multiprocessing import get_context

import numpy as np
import pandas as pd
import torch

from tomograms.errors import InputError
from tomograms.simulator.densities import Species
from tomograms.simulator.settings import Settings
from tomograms.simulator.simulate import simulate
from tomograms.tomogram import Tomogram, normalise

Example = tuple[Tomogram, pd.DataFrame]
Drawn = Callable[[np.random.Generator], Sequence[Species]]


def stream_tomograms(
    settings: Settings,
    seed: int,
    shape: tuple[int, int, int],
    *,
    species: Drawn,
    start: int = 0,
    device: str = "cpu",
    processes: int = 0,
) -> Iterator[Example]:
    """Return normalised tomograms named ``{seed}-{index}`` and their truth, each under conditions of its own.

    Parameters
    ----------
    settings, shape, device
        See `simulate`.
    seed
        Tomogram ``index`` depends on it and on the index only, but for last digits that depend on the threads.
    species
        Gives each tomogram's species, as `library.varied_species` does. Processes are sent it.
    start
        Index of the first one: where an interrupted training goes on.
    processes
        That simulate ahead, a thread each; with none, a tomogram is simulated when it is asked for.

    Raises
    ------
    InputError
        If a process is killed.
    """
    simulated = partial(_simulated, settings, seed, shape, species, device)
    return _ahead(simulated, start, processes) if processes else map(simulated, count(start))


def _ahead(simulated: Callable[[int], Example], start: int, processes: int) -> Iterator[Example]:
    """Yield what ``simulated`` gives for each index, from processes that have begun with the next ones."""
    pool = ProcessPoolExecutor(processes, get_context("spawn"), torch.set_num_threads, (1,))
    try:
        waiting = deque(pool.submit(simulated, start + ahead) for ahead in range(2 * processes))
        for index in count(start + len(waiting)):
            yield waiting.popleft().result()
            waiting.append(pool.submit(simulated, index))
    except BrokenProcessPool:
        raise InputError(
            f"simulation: one of {processes} processes was killed, as happens where memory is short; the same command "
            "goes on from the last checkpoint"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _simulated(
    settings: Settings, seed: int, shape: tuple[int, int, int], species: Drawn, device: str, index: int
) -> Example:
    name = f"{seed}-{index}"
    drawn = species(np.random.default_rng((seed, index, 1)))
    tomogram, picks = simulate(settings, (seed, index), shape, species=drawn, name=name, device=device)
    return Tomogram(name, normalise(tomogram.volume), tomogram.voxel_size), picks
