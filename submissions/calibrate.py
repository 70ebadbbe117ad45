"""``python -m submissions.calibrate``: learn from simulated tomograms what the scores of shipped weights are worth."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.initial import SHIPPED
from tomograms.errors import InputError, run_command
from tomograms.options import Several
from tomograms.program import program

TOMOGRAMS, SEED = 48, 5
SHAPE = (184, 192, 192)


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("submissions.calibrate"),
        description="Predict simulated tomograms with weights that are used as they are, calibrate and fuse their "
        "candidates, print what unseen tomograms say of it, and write run.json and ensemble.json beside the weights. "
        "What was cut off goes on where it stood.",
    )
    options.add_argument(
        "--weights", type=Path, default=SHIPPED, help="folder with MEMBER/weights.safetensors (default: the shipped)"
    )
    options.add_argument("--members", nargs="+", action=Several, help="which of them (default: all that lie there)")
    options.add_argument(
        "--data",
        type=Path,
        help="tomograms with every particle's place: Kaggle tree, copick config or folder of MRC files (default: "
        "simulated ones, with all species, a few, one or none)",
    )
    options.add_argument("--tomograms", type=int, default=TOMOGRAMS, help=f"to simulate (default: {TOMOGRAMS})")
    options.add_argument(
        "--shape", type=int, nargs=3, default=SHAPE, metavar=("Z", "Y", "X"), help="of these, in voxels"
    )
    options.add_argument("--seed", type=int, default=SEED, help=f"of these (default: {SEED})")
    options.add_argument(
        "--work", type=Path, default=Path("calibration"), help="folder of what is simulated and predicted"
    )
    options.add_argument("--device", nargs="+", action=Several, default=["auto"], help="cpu or cuda:N (default: auto)")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)
    if arguments.tomograms < 12:
        raise InputError(f"--tomograms: expected at least 12, two of each kind, but got {arguments.tomograms}")
    from submissions.prediction.calibrating import calibrate  # after parsing, so that --help is fast

    calibrate(arguments)


if __name__ == "__main__":
    run_command(main)
