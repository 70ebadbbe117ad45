"""One round: the submitting process and jobs are killed at times that a seed gives; the end is the same to the byte.

Each process is a new one, with a member that learns without a network.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.evaluation.test_cv import NAMES, write_tiny_run

ROOT = Path(__file__).resolve().parents[2]
KILLS = 4
"""Of the submitting process and three jobs."""
CODE = (
    "import sys; from models import registry; from tests.evaluation.toy_member import TOY; registry.MEMBERS.clear(); "
    "registry.MEMBERS.update(TOY); from evaluation.cv import main; sys.exit(main(sys.argv[1:]))"
)


def make_data(root: Path) -> None:
    """Write a data set of three tiny tomograms, and folds."""
    for number, name in enumerate(NAMES):
        write_tiny_run(root / "data", name, number)
    folds = "".join(f"  - {{held_out: [{n}], train: [{', '.join(m for m in NAMES if m != n)}]}}\n" for n in NAMES)
    (root / "folds.yaml").write_text(f"tiny:\n{folds}")


def start(root: Path, name: str, *further: str) -> "subprocess.Popen[bytes]":
    """Start the command on run ``name``."""
    given = ["--data", "data", "--fold-file", "folds.yaml", "--members", "toy", "--run", name, "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CODE, *given, *further]
    with (root / f"{name}.log").open("ab") as log:  # not a pipe: jobs that outlive the command would hold it open
        return subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT)


def whole(root: Path) -> tuple[bytes, float]:
    """Return ``cv.json`` of a run that nobody disturbs, in one process, and the seconds that it took."""
    begin = time.monotonic()
    code = start(root, "whole").wait()
    assert code == 0, (root / "whole.log").read_text()
    return (root / "runs/whole/cv.json").read_bytes(), time.monotonic() - begin


def play(root: Path, seed: int, *, jobs: int, expected: bytes, seconds: float) -> int:
    """Kill until the kills are used up, then let the command end; return how often something was killed.

    The times of the kills are shares of ``seconds``, what a run in one process takes here. Where a run has ended before
    the first of them, it is played again with half of that.
    """
    killed, attempt = 0, 0
    while not killed:
        killed = _play(root, f"round-{seed}-{attempt}", seed, jobs=jobs, seconds=seconds / 2**attempt)
        assert (root / "runs" / f"round-{seed}-{attempt}" / "cv.json").read_bytes() == expected
        attempt += 1
    return killed


def _play(root: Path, name: str, seed: int, *, jobs: int, seconds: float) -> int:
    chance = random.Random(seed)
    victims = ["driver", *["job"] * (KILLS - 1)]
    chance.shuffle(victims)
    killed = 0
    while True:
        process = start(root, name, "--on", "local", "--jobs", str(jobs))
        delay = chance.uniform(0.1, 0.9) * seconds
        while victims:
            try:
                process.wait(delay)
                break
            except subprocess.TimeoutExpired:
                if strike(process, victims[-1], chance):
                    victims.pop()
                    killed += 1
                    delay = chance.uniform(0.1, 0.9) * seconds
                else:  # no job yet: the first one that starts
                    delay = 0.02 * seconds
        code = process.wait()
        if code == 0:
            return killed
        assert code in (3, -signal.SIGKILL), (root / f"{name}.log").read_text()


def strike(process: "subprocess.Popen[bytes]", victim: str, chance: random.Random) -> bool:
    """Kill the command, or one of the processes that it has started; return whether there was one."""
    try:
        own = psutil.Process(process.pid)
        chosen = own if victim == "driver" else chance.choice(own.children(recursive=True))
        chosen.kill()
    except (psutil.Error, IndexError):
        return False
    return True
