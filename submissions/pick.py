"""``python -m submissions.pick DATA``: particles in your tomograms, by the shipped weights, without any training."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from compute.cluster_options import add_cluster
from evaluation.options import add_mask
from models.initial import SHIPPED
from submissions.make import FORMATS
from tomograms.errors import InputError, run_command
from tomograms.options import Several, add_voxel_spacing
from tomograms.program import program

PICTURES = 16


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("submissions.pick"),
        description="Find particles with the shipped weights: no picks of yours are needed, nothing is trained. Only "
        "the six species that the weights know can be found. Scores are probabilities, calibrated on simulated "
        "tomograms; what has at least 0.5 is reported. What was cut off goes on where it stood.",
        epilog="Exit code 3: some tomogram or member failed; what worked is written.",
    )
    options.add_argument("data", type=Path, help="folder of MRC files, Kaggle tree or copick config")
    options.add_argument("--out", type=Path, default=Path("picks"), help="folder to write (default: picks)")
    options.add_argument(
        "--weights", type=Path, default=SHIPPED, help="folder of weights that were calibrated (default: the shipped)"
    )
    options.add_argument("--tomograms", nargs="+", action=Several, metavar="NAME", help="default: every one")
    options.add_argument(
        "--species",
        nargs="+",
        action=Several,
        metavar="NAME",
        help="report these only (default: those of the data that are known)",
    )
    add_mask(options, "none")
    cut = options.add_mutually_exclusive_group()
    cut.add_argument(
        "--for-f4",
        action="store_true",
        help="report for the competition's score, in which a miss costs as much as sixteen false picks",
    )
    cut.add_argument(
        "--threshold",
        nargs="+",
        action=Several,
        default=[],
        metavar="SPECIES=P",
        help="report these species from probability P on",
    )
    options.add_argument(
        "--to",
        nargs="+",
        action=Several,
        choices=FORMATS,
        help="formats (default: csv and star, and copick where the data are a copick project)",
    )
    options.add_argument("--user", default="cryoet-picks", help="whose picks they are (default: cryoet-picks)")
    options.add_argument("--session", default="1", help="in which session (default: 1)")
    options.add_argument("--overwrite", action="store_true", help="replace copick picks of this user and session")
    options.add_argument("--tomo-type", default="denoised", help="tomogram type (default: denoised)")
    add_voxel_spacing(options)
    options.add_argument(
        "--pictures", type=int, default=PICTURES, metavar="N", help=f"of how many tomograms (default: {PICTURES})"
    )
    options.add_argument("--device", nargs="+", action=Several, default=["auto"], help="cpu or cuda:N (default: auto)")
    add_cluster(options, "each of --jobs shards of the tomograms")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser().parse_args(argv)
    if arguments.pictures < 0:
        raise InputError(f"--pictures: expected 0 or more, but got {arguments.pictures}")
    from submissions.prediction.picking import pick  # after parsing, so that --help is fast

    return pick(arguments)


if __name__ == "__main__":
    run_command(main)
