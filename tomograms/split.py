"""``python -m tomograms.split``: one annotated tomogram as several, so that regions of it can be held out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tomograms.errors import InputError, run_command
from tomograms.options import add_choice
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("tomograms.split"),
        description="Cut the only tomogram with picks into regions, with a gap of the largest particle's diameter "
        "between them, and write them as a folder of MRC files with their picks. Regions of one tomogram are more "
        "alike than tomograms are: scores from them flatter.",
    )
    options.add_argument("data", type=Path, help="Kaggle tree, copick config or folder of MRC files")
    options.add_argument("--parts", type=int, default=3, metavar="N", help="regions (default: 3)")
    options.add_argument("--tomogram", metavar="NAME", help="the tomogram, where several have picks")
    add_choice(options)
    options.add_argument("--out", type=Path, required=True, help="folder to write")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)
    if arguments.parts < 2:
        raise InputError(
            f"--parts: expected at least 2, one to hold out and one to train on, but got {arguments.parts}"
        )
    from tomograms.regions import split  # after parsing, so that --help is fast

    split(arguments)


if __name__ == "__main__":
    run_command(main)
