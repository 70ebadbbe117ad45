"""``python -m tests.cluster``: rounds of a cross-validation whose processes are killed, against one left alone."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cluster.rounds import make_data, play, whole

if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--jobs", type=int, default=3)
    arguments = options.parse_args()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        make_data(root)
        expected = whole(root)
        for number in range(arguments.rounds):
            killed = play(root, number, jobs=arguments.jobs, expected=expected)
            print(f"round {number}: the same bytes after {killed} kills", flush=True)
