"""``python -m submissions.report``: one page that shows what a run has found, where it fails, and what it cost."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evaluation.options import add_mask, add_run
from tomograms.errors import run_command
from tomograms.options import add_voxel_spacing
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("submissions.report"),
        description="Write report.html and its twin report.json: scores, species, operating points, pictures, "
        "tomograms, members, geometry and costs of a run whose ensemble has been built. The page is one file and needs "
        "no network.",
    )
    add_run(options, "the one that was built last")
    options.add_argument(
        "--data", type=Path, help="Kaggle tree, copick config or folder of MRC files (default: the run's own data)"
    )
    add_voxel_spacing(options)
    add_mask(options, "that of the training on the run's own data, none on other data")
    options.add_argument("--out", type=Path, help="folder of the report (default: the run's)")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)
    from submissions.report.writing import report  # after parsing, so that --help is fast

    report(arguments)


if __name__ == "__main__":
    run_command(main)
