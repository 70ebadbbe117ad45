"""``python -m submissions.review``: which of a run's own picks are likely missing, and which nothing speaks for."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evaluation.options import add_run
from tomograms.errors import run_command
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("submissions.review"),
        description="Compare the picks that a run was trained on with what the networks found in tomograms that they "
        "had not seen. Write picks that are likely missing, and those that nothing speaks for, as review.csv and, if "
        "wanted, into a copick project for somebody to look at. Nothing is changed by itself.",
    )
    add_run(options, "the one that was built last")
    options.add_argument("--out", type=Path, help="folder of review.csv (default: the run's)")
    options.add_argument(
        "--to", choices=("copick",), help="write them into the run's copick project, too, in sessions of their own"
    )
    options.add_argument("--user", default="review", help="whose picks they are there (default: review)")
    options.add_argument("--overwrite", action="store_true", help="replace copick picks of this user")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)
    from submissions.reviewing import review  # after parsing, so that --help is fast

    review(arguments)


if __name__ == "__main__":
    run_command(main)
