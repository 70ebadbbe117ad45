"""``python -m ensemble.build``: tune the ensemble of a run's members, report it honestly, write ``ensemble.json``."""

import argparse
from collections.abc import Sequence

from evaluation.options import DEFAULT_SEED, LARGEST_SEED, add_run
from tomograms.errors import InputError, run_command
from tomograms.options import Several
from tomograms.program import program

DEFAULT_TRIALS = 100


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("ensemble.build"),
        description="Calibrate, cluster and tune a run's members into one ensemble; print it against its members and "
        "against simpler fusions; write ensemble.json.",
    )
    add_run(options, "the most recent one")
    options.add_argument(
        "--members", nargs="+", action=Several, help="fuse only these of the run's members (default: all, and --add's)"
    )
    options.add_argument(
        "--trials", type=int, default=DEFAULT_TRIALS, help=f"per species and fold (default: {DEFAULT_TRIALS})"
    )
    options.add_argument("--seed", type=int, default=DEFAULT_SEED, help=f"of Optuna (default: {DEFAULT_SEED})")
    options.add_argument("--storage", help="database URL of the studies (default: SQLite, RUN/optuna.db)")
    options.add_argument(
        "--add",
        action="append",
        default=[],
        metavar="NAME=FILE.csv",
        help="another tool's candidates as a member: experiment,particle_type,x,y,z,score (Å); may be repeated",
    )
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser().parse_args(argv)
    if arguments.trials < 1:
        raise InputError(f"--trials: expected at least 1, but got {arguments.trials}")
    if not 0 <= arguments.seed <= LARGEST_SEED:
        raise InputError(f"--seed: expected a number from 0 to {LARGEST_SEED}, but got {arguments.seed}")
    from ensemble.building import build_ensemble  # after parsing, so that --help is fast

    return build_ensemble(arguments)


if __name__ == "__main__":
    run_command(main)
