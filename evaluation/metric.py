"""The competition metric: counts per experiment and species, F-beta with beta 4, and the weighted score.

``python -m evaluation.metric SOLUTION.csv SUBMISSION.csv`` prints it for two files. Equal to the official code in its
edge cases too: a prediction within reach of two true particles hits both, so that false positives can be negative;
predictions in experiments without truth are dropped before an unknown species is an error; a species without
predictions or without truth has F = 0; the score divides by the sum of all weights.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from evaluation.counts import Score, count, pool, score
from evaluation.report import class_table
from tomograms.console import console
from tomograms.coordinates import Extent
from tomograms.errors import InputError, run_command
from tomograms.files import read_json
from tomograms.particles import CZII, Particle, from_copick
from tomograms.pick_checks import doubtful_units
from tomograms.picks import read_truth
from tomograms.program import program
from tomograms.tables import some_of

VOXEL = 10.0
"""Å; the size that predictions would be told in if they were told in voxels."""


def kaggle_score(solution: pd.DataFrame, submission: pd.DataFrame, particles: Sequence[Particle] = CZII) -> Score:
    """Return the competition's score of a submission.

    Parameters
    ----------
    solution, submission
        ``experiment, particle_type, x, y, z`` (Å); further columns are ignored.
    particles
        Every species.

    Raises
    ------
    InputError
        If a species is unknown or a position is not finite (see `match`).
    """
    return score(pool(count(solution, submission, particles)), particles)


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("evaluation.metric"),
        description="Score a submission as the competition does: F-beta (beta 4) per species, weighted.",
    )
    options.add_argument("solution", type=Path, help="CSV with experiment,particle_type,x,y,z (Å)")
    options.add_argument("submission", type=Path, help="CSV with id,experiment,particle_type,x,y,z (Å)")
    options.add_argument(
        "--particles", type=Path, metavar="CONFIG.json", help="copick config with the species (default: CZII's six)"
    )
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Print the score of a submission against a solution."""
    arguments = parser().parse_args(argv)
    particles = CZII if arguments.particles is None else _read_particles(arguments.particles)
    truth, submission = read_truth(arguments.solution), read_truth(arguments.submission)
    scored = submission[submission["experiment"].isin(set(truth["experiment"]))]
    species = [particle.name for particle in particles]
    for path, table in ((arguments.solution, truth), (arguments.submission, scored)):
        unknown = set(table["particle_type"]) - set(species)
        if unknown:
            raise InputError(f"{path}: expected species of {', '.join(species)}, but got {some_of(unknown)}")
    counts = pool(count(truth, submission, particles))
    result = score(counts, particles)
    console().print(class_table(counts, particles, title=str(arguments.submission)))
    found, expected = (set(table["experiment"]) for table in (submission, truth))
    if found - expected:
        known = f"the solution's are {some_of(expected)}"
        print(f"left out, as the competition does: {some_of(found - expected)}, no tomograms of the solution ({known})")
    if expected - found:
        print(f"without a prediction: {some_of(expected - found)}")
    reached = truth.groupby("experiment")[["z", "y", "x"]].max() / VOXEL
    extents = {
        str(name): Extent(tuple(row), VOXEL) for name, row in zip(reached.index, reached.to_numpy(), strict=True)
    }
    line = doubtful_units(scored, extents, "the predictions")
    if line:
        print(line)
    print(f"score: {result.total:.6f}")


def _read_particles(path: Path) -> tuple[Particle, ...]:
    """Return the species of a copick config."""
    config = read_json(path)
    if not isinstance(config, dict) or not isinstance(config.get("pickable_objects"), list):
        raise InputError(f"{path}: expected a copick config with pickable_objects, but got something else")
    particles = from_copick(config["pickable_objects"], path)
    if not any(particle.weight for particle in particles):
        raise InputError(f"{path}: expected a species with a weight above 0 in the score, but every weight is 0")
    return particles


if __name__ == "__main__":
    run_command(main)
