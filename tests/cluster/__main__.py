"""``python -m tests.cluster``: rounds of a cross-validation whose processes are killed, against one left alone."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cluster.rounds import make_data, play, whole


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--jobs", type=int, default=3)
    arguments = options.parse_args(argv)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        make_data(root)
        expected, seconds = whole(root)
        for number in range(arguments.rounds):
            killed = play(root, number, jobs=arguments.jobs, expected=expected, seconds=seconds)
            print(f"round {number}: the same bytes after {killed} kills", flush=True)


if __name__ == "__main__":
    main()
