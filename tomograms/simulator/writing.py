"""Simulated data sets on disk, as Kaggle trees."""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tomograms.console import Progress, console
from tomograms.disk import require_space
from tomograms.errors import InputError
from tomograms.files import naming, write_json
from tomograms.kaggle_tree import SIMULATED, SPLITS, write_run
from tomograms.particles import CZII
from tomograms.simulator.densities import Species
from tomograms.simulator.library import built_in_species
from tomograms.simulator.maps import read_species
from tomograms.simulator.mixtures import mixed_settings
from tomograms.simulator.settings import CZII_LIKE, Settings
from tomograms.simulator.simulate import simulate


def write_simulated(options: argparse.Namespace) -> None:
    """Write what the command `tomograms.simulator.tree` was asked for.

    Raises
    ------
    InputError
        If an option has a value that makes no data set; see also `write_tree` and `maps.read_species`.
    """
    shape, numbers = tuple(options.shape), (options.train, options.test, options.seed)
    if min(shape) < 8:
        raise InputError(f"--shape: expected at least 8 voxels along each axis, but got {shape}")
    if min(numbers) < 0:
        raise InputError(f"--train, --test, --seed: expected no negative number, but got {numbers}")
    if not options.train + options.test:
        raise InputError("--train, --test: expected at least one run, but got 0 and 0")
    check_device(options.device)
    asked = {"voxel_size": options.voxel_size, "crowding": (options.crowding, options.crowding)}
    settings = partial(mixture, options.seed, **asked) if options.mixed else replace(CZII_LIKE, **asked)
    species = (
        read_species(options.maps, CZII, options.voxel_size)
        if options.maps
        else built_in_species(CZII, options.voxel_size)
    )
    runs = {
        "train": [f"SIM_{n}" for n in range(1, options.train + 1)],
        "test": [f"SIM_{n}" for n in range(101, options.test + 101)],
    }
    write_tree(options.root, settings, options.seed, shape, runs=runs, species=species, device=options.device)
    told = f"{options.root}: training runs: {options.train}; test runs: {options.test}; each with its truth"
    console().print(told, soft_wrap=True)


def check_device(name: str) -> None:
    """Refuse a device that torch cannot work on.

    Raises
    ------
    InputError
        If an operation fails there.
    """
    try:
        torch.arange(4, device=name).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"--device: expected cpu or cuda[:N] that works, but got {name!r} ({why})") from error


def mixture(seed: int, number: int, **changed: Any) -> Settings:
    """Return the settings of a mixture's n-th tomogram, some of them changed; see `mixtures.mixed_settings`."""
    return replace(mixed_settings(number, seed, CZII), **changed)


def write_tree(
    root: Path,
    settings: Settings | Callable[[int], Settings],
    seed: int,
    shape: tuple[int, int, int],
    *,
    runs: Mapping[str, Sequence[str]],
    species: Sequence[Species],
    device: str = "cpu",
    description: str = "simulated tomograms",
) -> None:
    """Write simulated runs as a Kaggle tree, the truth of each included.

    Parameters
    ----------
    root
        The folder to write; it must not hold a tree yet.
    settings
        Of every run, or a function that gives those of the n-th.
    shape, species, device
        See `simulate`.
    seed
        The volume of the n-th run, over all splits, depends on it and on n only.
    runs
        Run names by split (``train``, ``test``).
    description
        What the progress is called.

    Raises
    ------
    InputError
        If the folder already holds a tree, or there is no room for the particles.
    """
    if any((root / split).exists() for split in SPLITS):
        raise InputError(f"{root}: expected a folder without a data set, but it holds one")
    require_space(root, 4 * math.prod(shape) * sum(map(len, runs.values())), "simulated tomograms")
    names = [(split, name) for split in runs for name in runs[split]]
    about = asdict(settings) if isinstance(settings, Settings) else {"mixed": True}
    write_json(root / SIMULATED, about | {"seed": seed, "shape": shape})  # first: half of a tree is simulated, too
    with Progress() as progress, naming(root):
        task = progress.task(description, total=len(names))
        for number, (split, name) in enumerate(names):
            own = settings if isinstance(settings, Settings) else settings(number)
            tomogram, picks = simulate(own, (seed, number), shape, species=species, name=name, device=device)
            by_name = {s.name: picks[picks["particle_type"] == s.name][["x", "y", "z"]].to_numpy() for s in species}
            volume, voxel_size = tomogram.volume, tomogram.voxel_size
            write_run(root, split, name, volume=volume, voxel_size=voxel_size, picks=by_name)
            task.update(number + 1, note=name)
        task.finish()
