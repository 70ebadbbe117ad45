"""Command line options that several commands share."""

import argparse
from pathlib import Path

DEFAULT_MEMBERS = ("unet", "yolo")
DEFAULT_SEED = 8620
"""Of trainings and of tuning."""
LARGEST_SEED = 2**32 - 1
"""That numpy's older generator takes, which Ultralytics and Optuna seed."""

RUNS = Path("runs")
"""The folder of all runs, unless another is named."""


def add_run(options: argparse.ArgumentParser, default: str) -> None:
    """Add ``--run`` and ``--runs``; ``default`` says in words which run is meant without the first."""
    options.add_argument("--run", help=f"name of the run, a folder under runs/ (default: {default})")
    add_runs(options)


def add_runs(options: argparse.ArgumentParser) -> None:
    """Add ``--runs``."""
    options.add_argument("--runs", type=Path, default=RUNS, help="folder of all runs (default: runs)")


def add_mask(options: argparse.ArgumentParser, default: str) -> None:
    """Add ``--mask``; ``default`` says in words what holds without it."""
    options.add_argument(
        "--mask",
        metavar="FOLDER|NAME",
        help="look for particles only inside masks: a folder with one (MRC or .zarr) called as each tomogram, or a "
        f"copick segmentation; none: everywhere (default: {default})",
    )
