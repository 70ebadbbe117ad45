"""``python -m submissions.make``: the ensemble on the test tomograms, written as a submission and in other formats."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from compute.cluster_options import add_cluster
from evaluation.options import add_mask, add_run
from tomograms.errors import run_command
from tomograms.options import Several, add_voxel_spacing
from tomograms.program import program

FORMATS = ("copick", "csv", "relion5", "star", "warp")


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("submissions.make"),
        description="Predict the test tomograms with a run's ensemble and write submission.csv. What was cut off goes "
        "on where it stood.",
        epilog="Exit code 3: some tomogram or member failed; the submission holds what worked.",
    )
    add_run(options, "the one that was built last")
    options.add_argument(
        "--data", type=Path, help="Kaggle tree, copick config or folder of MRC files (default: the run's own data)"
    )
    add_voxel_spacing(options)
    add_mask(options, "that of the training on the run's own data, none on other data")
    options.add_argument(
        "--tomograms",
        nargs="+",
        action=Several,
        metavar="NAME",
        help="default: the test folder's; without one, all that no model of the run was trained on",
    )
    options.add_argument(
        "--to",
        nargs="+",
        action=Several,
        choices=FORMATS,
        default=[],
        help="also write picks with scores: into the copick project, or to RUN/exports as CSV, as STAR files, for the "
        "import of RELION 5, or for WarpTools",
    )
    options.add_argument(
        "--threshold",
        nargs="+",
        action=Several,
        default=[],
        metavar="SPECIES=P",
        help="report these species from probability P on, instead of from each tomogram's own cut",
    )
    options.add_argument("--user", default="ensemble", help="whose picks they are (default: ensemble)")
    options.add_argument("--session", default="1", help="in which session (default: 1)")
    options.add_argument(
        "--name-prefix", default="", metavar="TEXT", help="put it before tomograms' names for relion5, star and warp"
    )
    options.add_argument("--name-suffix", default="", metavar="TEXT", help="put it behind them")
    options.add_argument("--overwrite", action="store_true", help="replace copick picks of this user and session")
    options.add_argument(
        "--final",
        choices=("folds", "all"),
        default="folds",
        help="average the fold models (default), or train and use models on all runs, whose scores no run can check",
    )
    options.add_argument("--out", type=Path, help="folder of everything that is written (default: the run's)")
    options.add_argument("--budget", metavar="TIME", help="11h, 90m or 45s: drop views, then members, to end in time")
    options.add_argument("--expect", type=int, metavar="N", help="keep the budget as if there were N tomograms")
    options.add_argument(
        "--device",
        nargs="+",
        action=Several,
        default=["auto"],
        help="cpu or cuda:N; of several each gets a process (default: auto, every GPU, or else the CPU)",
    )
    add_cluster(options, "each of --jobs shards of the tomograms")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser().parse_args(argv)
    from submissions.prediction.submit import submit  # after parsing, so that --help is fast

    return submit(arguments)


if __name__ == "__main__":
    run_command(main)
