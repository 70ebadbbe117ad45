"""``python -m submissions.kaggle``: pack a run for Kaggle, and rehearse the notebook without network."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evaluation.options import add_run
from tomograms.errors import run_command
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("submissions.kaggle"),
        description="Pack a run's ensemble into one folder that can be uploaded to Kaggle as it is: weights, wheels, "
        "an offline notebook and its metadata.",
    )
    add_run(options, "the one that was built last")
    options.add_argument("--out", type=Path, help="folder of the bundle (default: RUN/kaggle)")
    options.add_argument("--account", default="ACCOUNT", help="your Kaggle account, for the metadata")
    options.add_argument("--budget", default="11h", help="the notebook's time budget (default: 11h)")
    options.add_argument("--expect", type=int, default=500, help="tomograms to be expected (default: 500)")
    options.add_argument(
        "--image", type=Path, metavar="FILE", help="pip freeze of Kaggle's image (default: a built-in list of names)"
    )
    options.add_argument(
        "--final",
        choices=("folds", "all"),
        default="folds",
        help="models: of the folds (default), or those trained on all runs",
    )
    options.add_argument(
        "--rehearse",
        action="store_true",
        help="then run the notebook in a fresh environment without network, on the test tomograms of --data",
    )
    options.add_argument(
        "--python",
        default=sys.executable,
        metavar="VERSION|PATH",
        help="Python of the rehearsal: 3.12, as python3.12 on PATH or pyenv's, or an interpreter; what the image has "
        "and it lacks is installed from the index first (default: the one that runs this)",
    )
    options.add_argument("--data", type=Path, help="Kaggle tree for the rehearsal (default: the run's own data)")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)
    from submissions.kaggle.packing import pack  # after parsing, so that --help is fast

    pack(arguments)


if __name__ == "__main__":
    run_command(main)
