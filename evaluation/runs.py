"""``python -m evaluation.runs``: list the runs, compare two in pairs, or average several."""

import argparse
from collections.abc import Sequence

from evaluation.options import add_runs
from tomograms.errors import InputError, run_command
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("evaluation.runs"),
        description="Without names, list the runs; with two names, compare the second to the first: paired differences "
        "of nested scores, per particle and per held-out run; with --average, the mean over several "
        "(seeds of one recipe).",
    )
    options.add_argument("names", nargs="*", metavar="RUN", help="two runs on the same tomograms, or more to average")
    options.add_argument(
        "--average",
        action="store_true",
        help="mean and spread over the named runs, and the paired difference of everything to the best member",
    )
    options.add_argument("--jobs", action="store_true", help="of one run: state, time, machine and failure of each job")
    add_runs(options)
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser().parse_args(argv)
    names = arguments.names
    if arguments.average and (len(names) < 2 or len(set(names)) < len(names)):
        raise InputError(f"--average: expected two or more different runs, but got {' '.join(names) or 'none'}")
    if arguments.jobs and (arguments.average or len(names) != 1):
        raise InputError(f"--jobs: expected one run, but got {' '.join(names) or 'none'}")
    if not arguments.average and not arguments.jobs and len(names) not in (0, 2):
        raise InputError(f"expected no run, to list all, or two, to compare them, but got {' '.join(names)}")
    from evaluation import run_tables as tables  # after parsing, so that --help is fast

    show = tables.show_average if arguments.average else tables.show_difference if names else tables.show_runs
    show = tables.show_jobs if arguments.jobs else show
    show(arguments.runs, names)
    return 0


if __name__ == "__main__":
    run_command(main)
