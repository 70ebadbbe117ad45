"""Command line options that choose a data set, or what is meant in it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHOICES = ("tomo_type", "user", "session", "voxel_spacing", "picks")
"""What `add_choice` adds."""


class Several(argparse.Action):
    """The values of an option that may also be repeated: the first time replaces the default, further times add."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Take some values."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*(() if before is self.default else before), *(values or ())])


def add_choice(options: argparse.ArgumentParser) -> None:
    """Add what chooses among several tomograms and pick sets of a run; nothing is given by default."""
    options.add_argument("--tomo-type", help="tomogram type (default: denoised)")
    options.add_argument("--user", help="whose picks are the truth, where several have picked (copick)")
    options.add_argument("--session", help="which of their sessions (copick)")
    add_voxel_spacing(options)
    options.add_argument(
        "--picks",
        type=Path,
        metavar="FILE|FOLDER",
        help="picks of a folder of MRC files, where they do not lie in it: CSV, STAR or copick's JSON",
    )


def add_voxel_spacing(options: argparse.ArgumentParser) -> None:
    """Add ``--voxel-spacing``."""
    options.add_argument(
        "--voxel-spacing", type=float, help="Å, where there are several (copick), or where MRC headers have none"
    )


def chosen(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what of `add_choice` was given, as `tomograms.dataset.open_dataset` calls it."""
    given = {name: getattr(arguments, name) for name in CHOICES}
    return {"tomogram_type" if n == "tomo_type" else n: value for n, value in given.items() if value is not None}
