"""``python -m models.pretrain``: weights for members to start from, learned on simulated tomograms."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from compute.cluster_options import add_cluster
from tomograms.errors import run_command
from tomograms.options import Several
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("models.pretrain"),
        description="Train members on simulated tomograms that are made as they are needed, or on a given simulated "
        "data set, and write weights that evaluation.cv --init starts from. A training that was cut off goes on.",
    )
    options.add_argument("--members", nargs="+", action=Several, help="default: every one")
    length = options.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="optimiser steps (default: 20000)")
    length.add_argument("--minutes", type=float, help="time for each member, instead of a number of steps")
    options.add_argument(
        "--data", type=Path, help="Kaggle tree, copick config or folder of MRC files of simulated runs, instead of ours"
    )
    options.add_argument("--maps", type=Path, help="folder of MRC maps or PDB/mmCIF models, one per species")
    options.add_argument("--others", type=Path, help="folder of the same of other molecules, which are not labelled")
    options.add_argument("--preset", choices=("demo", "short", "full"), default="short", help="default: short")
    options.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="MEMBER.NAME=VALUE", help="may be repeated"
    )
    options.add_argument(
        "--init",
        default="scratch",
        metavar="scratch|pretrained|PATH",
        help="what to start from: nothing (default), the shipped weights, or a folder of an earlier pre-training",
    )
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--device", default="auto", help="auto, cpu or cuda[:N] (default: auto)")
    options.add_argument("--out", type=Path, default=Path("pretrained"), help="folder to write (default: pretrained)")
    add_cluster(options, "each member")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = parser().parse_args(argv)
    from models.training.pretrain_members import pretrain_members  # after parsing, so that --help is fast

    return pretrain_members(options)


if __name__ == "__main__":
    run_command(main)
