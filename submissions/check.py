"""``python -m submissions.check``: says whether a file is a valid submission, and if not, why."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from submissions.export.submission import read_submission
from tomograms.console import counted
from tomograms.dataset import open_dataset
from tomograms.errors import InputError, run_command
from tomograms.options import add_voxel_spacing
from tomograms.particles import CZII
from tomograms.pick_checks import doubtful_units
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("submissions.check"),
        description="Check every line of a submission: header, ids, species, positions; with --data also that each "
        "experiment exists and each position lies in its volume. The first bad line is named.",
    )
    options.add_argument("file", type=Path, help="CSV with id,experiment,particle_type,x,y,z (Å)")
    options.add_argument(
        "--data",
        type=Path,
        help="Kaggle tree, copick config or folder of MRC files (default: nothing is compared with it)",
    )
    options.add_argument("--tomo-type", default="denoised", help="tomogram type of the data (default: denoised)")
    add_voxel_spacing(options)
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)
    if arguments.data is None:
        table = read_submission(arguments.file, particles=CZII)
    else:
        options = {"tomogram_type": arguments.tomo_type, "voxel_spacing": arguments.voxel_spacing}
        dataset = open_dataset(arguments.data, **options)
        names = dataset.source.names()
        extents = dataset.extents(name for name in names if dataset.has_tomogram(name))
        if not extents:
            raise InputError(f"{arguments.data}: expected tomograms, but found none of this type and voxel spacing")
        table = read_submission(arguments.file, particles=dataset.particles, extents=extents)
        line = doubtful_units(table, extents, "the positions")
        if line:
            print(line)
    experiments = counted(table["experiment"].nunique(), "experiment")
    print(f"{arguments.file}: valid; {counted(len(table), 'particle')} in {experiments}")


if __name__ == "__main__":
    run_command(main)
