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
CHOICES = ("tomo_type", "user", "session", "voxel_spacing")
"""What `add_choice` adds."""


def add_run(options: argparse.ArgumentParser, default: str) -> None:
    """Add ``--run`` and ``--runs``; ``default`` says in words which run is meant without the first."""
    options.add_argument("--run", help=f"name of the run, a folder under runs/ (default: {default})")
    add_runs(options)


def add_runs(options: argparse.ArgumentParser) -> None:
    """Add ``--runs``."""
    options.add_argument("--runs", type=Path, default=RUNS, help="folder of all runs (default: runs)")


def add_choice(options: argparse.ArgumentParser) -> None:
    """Add what chooses among several tomograms and pick sets of a run; nothing is given by default."""
    options.add_argument("--tomo-type", help="tomogram type (default: denoised)")
    options.add_argument("--user", help="whose picks are the truth, where several have picked (copick)")
    options.add_argument("--session", help="which of their sessions (copick)")
    add_voxel_spacing(options)


def add_voxel_spacing(options: argparse.ArgumentParser) -> None:
    """Add ``--voxel-spacing``."""
    options.add_argument(
        "--voxel-spacing", type=float, help="Å, where there are several (copick), or where MRC headers have none"
    )


def add_mask(options: argparse.ArgumentParser, default: str) -> None:
    """Add ``--mask``; ``default`` says in words what holds without it."""
    options.add_argument(
        "--mask",
        metavar="FOLDER|NAME",
        help="look for particles only inside masks: a folder with one (MRC or .zarr) called as each tomogram, or a "
        f"copick segmentation; none: everywhere (default: {default})",
    )
