"""Simulated tomograms without end, straight into training: nothing touches the disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from tomograms.coordinates import inside, to_angstrom
from tomograms.errors import InputError
from tomograms.simulator.densities import Species
from tomograms.simulator.settings import Settings
from tomograms.simulator.simulate import simulate
from tomograms.tomogram import Tomogram, normalise

ROOM = (0, 64, 64)
"""Voxels by which the tomogram that crops are cut from is larger than a crop."""


def stream_tomograms(
    settings: Settings,
    seed: int,
    shape: tuple[int, int, int],
    *,
    species: Sequence[Species],
    start: int = 0,
    device: str = "cpu",
) -> Iterator[tuple[Tomogram, pd.DataFrame]]:
    """Yield normalised tomograms named ``{seed}-{index}`` and their truth, each under conditions of its own.

    Parameters
    ----------
    settings, shape, species, device
        See `simulate`.
    seed
        Tomogram ``index`` depends on it and on the index only.
    start
        Index of the first one: where an interrupted training goes on.
    """
    index = start
    while True:
        name = f"{seed}-{index}"
        tomogram, picks = simulate(settings, (seed, index), shape, species=species, name=name, device=device)
        yield Tomogram(name, normalise(tomogram.volume), tomogram.voxel_size), picks
        index += 1


def stream_crops(
    settings: Settings,
    seed: int,
    shape: tuple[int, int, int],
    *,
    species: Sequence[Species],
    per_tomogram: int = 4,
    start: int = 0,
    device: str = "cpu",
) -> Iterator[tuple[Tomogram, pd.DataFrame]]:
    """Yield normalised crops and their truth, ``per_tomogram`` from each of the tomograms of `stream_tomograms`.

    Parameters
    ----------
    shape
        Of a crop, (z, y, x).
    start
        Index of the first tomogram.

    Yields
    ------
    The crop, and the picks whose centres lie inside it, in the crop's own coordinates (Å).
    """
    if per_tomogram < 1:
        raise InputError(f"simulator: expected at least 1 crop per tomogram, but got {per_tomogram}")
    larger = (shape[0] + ROOM[0], shape[1] + ROOM[1], shape[2] + ROOM[2])
    tomograms = stream_tomograms(settings, seed, larger, species=species, start=start, device=device)
    for index, (tomogram, picks) in enumerate(tomograms, start=start):
        rng = np.random.default_rng((seed, index, 1))
        for number in range(per_tomogram):
            low = rng.integers(0, np.subtract(larger, shape) + 1)
            box = tuple(slice(a, a + n) for a, n in zip(low, shape, strict=True))
            shifted = picks[["x", "y", "z"]].to_numpy() - to_angstrom(low, tomogram.voxel_size)
            kept = inside(shifted, shape, tomogram.voxel_size)
            crop = picks[kept].assign(experiment=f"{tomogram.name}-{number}")
            crop[["x", "y", "z"]] = shifted[kept]
            volume = np.ascontiguousarray(tomogram.volume[box])
            yield Tomogram(f"{tomogram.name}-{number}", volume, tomogram.voxel_size), crop.reset_index(drop=True)
