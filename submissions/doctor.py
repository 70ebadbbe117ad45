"""``python -m submissions.doctor``: whether this machine is fit for the project, and what to do if not."""

import argparse
from collections.abc import Sequence

from tomograms.errors import run_command
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    return argparse.ArgumentParser(
        prog=program("submissions.doctor"),
        description="Look at packages, devices, number format, threads, memory, disk and shipped weights, and say what "
        "to do. Nothing is changed, and no network is used.",
        epilog="Exit code 1: something will not work.",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser().parse_args(argv)
    from submissions.checkup import check_up  # after parsing, so that --help is fast

    return check_up()


if __name__ == "__main__":
    run_command(main)
