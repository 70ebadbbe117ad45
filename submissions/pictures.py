"""``python -m submissions.pictures``: one picture a tomogram that shows what a score hides."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evaluation.options import add_mask, add_run
from tomograms.errors import InputError, run_command
from tomograms.options import Several, add_voxel_spacing
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("submissions.pictures"),
        description="Draw slices of each tomogram with what every member and the ensemble report there; where the "
        "truth is known, hits (circles), misses (squares) and false positives (crosses).",
    )
    add_run(options, "the one that was built last")
    options.add_argument(
        "--data", type=Path, help="Kaggle tree, copick config or folder of MRC files (default: the run's own data)"
    )
    add_voxel_spacing(options)
    add_mask(options, "that of the training on the run's own data, none on other data")
    options.add_argument(
        "--tomograms",
        nargs="+",
        action=Several,
        metavar="NAME",
        help="default: every held-out tomogram, and the test tomograms that submissions.make has predicted",
    )
    options.add_argument("--species", nargs="+", action=Several, metavar="NAME", help="default: every species")
    options.add_argument("--slices", type=int, default=3, help="slices a tomogram (default: 3)")
    options.add_argument("--out", type=Path, help="folder of the pictures (default: RUN/pictures)")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)
    if arguments.slices < 1:
        raise InputError(f"--slices: expected at least 1, but got {arguments.slices}")
    from submissions.report.pictures import draw_pictures  # after parsing, so that --help is fast

    draw_pictures(arguments)


if __name__ == "__main__":
    run_command(main)
