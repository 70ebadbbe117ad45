"""Simulated data sets on disk: ``python -m tomograms.simulator.tree`` writes a Kaggle tree."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tomograms.errors import InputError, run_command
from tomograms.particles import CZII

if TYPE_CHECKING:
    from tomograms.simulator.densities import Species
    from tomograms.simulator.settings import Settings


def write_tree(
    root: Path,
    settings: Settings,
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
    settings, shape, species, device
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
    from tomograms.console import Progress
    from tomograms.files import write_json
    from tomograms.kaggle_tree import SIMULATED, SPLITS, write_run
    from tomograms.simulator.simulate import simulate

    if any((root / split).exists() for split in SPLITS):
        raise InputError(f"{root}: expected a folder without a data set, but it holds one")
    names = [(split, name) for split in runs for name in runs[split]]
    with Progress() as progress:
        task = progress.task(description, total=len(names))
        for number, (split, name) in enumerate(names):
            tomogram, picks = simulate(settings, (seed, number), shape, species=species, name=name, device=device)
            by_name = {s.name: picks[picks["particle_type"] == s.name][["x", "y", "z"]].to_numpy() for s in species}
            volume, voxel_size = tomogram.volume, tomogram.voxel_size
            write_run(root, split, name, volume=volume, voxel_size=voxel_size, picks=by_name)
            task.update(number + 1, note=name)
        write_json(root / SIMULATED, asdict(settings) | {"seed": seed, "shape": shape})
        task.finish()


def main(argv: Sequence[str] | None = None) -> None:
    """Write a simulated data set."""
    parser = argparse.ArgumentParser(prog="python -m tomograms.simulator.tree", description=__doc__)
    parser.add_argument("root", type=Path, help="folder to write")
    parser.add_argument("--train", type=int, default=7, metavar="N", help="training runs (default 7)")
    parser.add_argument("--test", type=int, default=2, metavar="N", help="test runs (default 2)")
    parser.add_argument("--shape", type=int, nargs=3, default=(184, 630, 630), metavar=("Z", "Y", "X"), help="voxels")
    parser.add_argument("--voxel-size", type=float, default=10.012444, metavar="Å")
    parser.add_argument("--crowding", type=float, default=1.0, metavar="F", help="factor on the numbers of particles")
    parser.add_argument("--maps", type=Path, help="folder of MRC maps or PDB/mmCIF models, one per species")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    options = parser.parse_args(argv)
    from dataclasses import replace

    from tomograms.simulator.library import built_in_species
    from tomograms.simulator.maps import read_species
    from tomograms.simulator.settings import CZII_LIKE

    if min(options.shape) < 8 or min(options.train, options.test, options.seed) < 0:
        raise InputError(
            f"--shape, --train, --test, --seed: expected at least 8 voxels and no negative number, got {argv}"
        )
    settings = replace(CZII_LIKE, voxel_size=options.voxel_size, crowding=(options.crowding, options.crowding))
    if options.maps is None:
        species = built_in_species(CZII, settings.voxel_size)
    else:
        species = read_species(options.maps, CZII, settings.voxel_size)
    runs = {
        "train": [f"SIM_{n}" for n in range(1, options.train + 1)],
        "test": [f"SIM_{n}" for n in range(101, options.test + 101)],
    }
    shape = (options.shape[0], options.shape[1], options.shape[2])
    write_tree(options.root, settings, options.seed, shape, runs=runs, species=species, device=options.device)


if __name__ == "__main__":
    run_command(main)
