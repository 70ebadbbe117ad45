"""Stages that type commands: two processes on one device, and one that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from submissions.prediction.submit import SOME_FAILED
from tests.gpu.facts import Bench

SMALL = ("unet.steps=12", "unet.epoch_steps=12", "unet.views=1")
OURS = "spawn_main"
"""In the command line of a process of the pool."""


def workers(bench: Bench) -> None:
    """Train and predict with two processes on one device; one process must find the same.

    One member does: a process takes ten seconds to start, and other stages see each member work.
    """
    runs, two = bench.place / "runs", ["--device", bench.device, bench.device]
    small = [part for change in SMALL for part in ("--set", change)]
    cv = [
        "--data",
        str(bench.place / "data"),
        "--folds",
        "GC_1",
        "GC_2",
        "--members",
        "unet",
        "--preset",
        "demo",
        *small,
        *two,
    ]
    folds = bench.place / "folds.yaml"
    folds.write_text("two:\n  - {held_out: [GC_1], train: [GC_2]}\n  - {held_out: [GC_2], train: [GC_1]}\n")
    commands = {
        "training": ["evaluation.cv", "--fold-file", str(folds), *cv],
        "building": ["ensemble.build"],
        "one process": ["submissions.make", "--device", bench.device, "--out", str(bench.place / "one")],
        "two processes": ["submissions.make", *two, "--out", str(bench.place / "two")],
    }
    for name, command in commands.items():
        start = time.perf_counter()
        done = subprocess.run(_typed(command, runs), capture_output=True, text=True, check=False)
        last = " ".join(done.stderr.split())[-300:] if done.returncode else ""
        bench.tell(f"{name}, seconds", time.perf_counter() - start, not done.returncode, last)
    one, other = (len(_rows(bench.place / where)) for where in ("one", "two"))
    bench.tell("rows of one and of two processes", f"{one}, {other}", one > 0 and abs(one - other) <= 0.02 * one)


def killed(bench: Bench) -> None:
    """Kill one of two predicting processes: every tomogram is predicted all the same."""
    runs, out = bench.place / "runs", bench.place / "killed"
    command = ["submissions.make", "--device", bench.device, bench.device, "--out", str(out)]
    process = psutil.Popen(_typed(command, runs), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    victim = None
    while victim is None and process.poll() is None:
        time.sleep(0.1)
        busy = [c for c in process.children() if OURS in " ".join(c.cmdline()) and c.cpu_times().user > 1.0]
        victim = next(iter(busy), None)
    if victim is not None:
        os.kill(victim.pid, signal.SIGKILL)
    output, _ = process.communicate()
    bench.tell("a process was killed at work", victim is not None, victim is not None)
    bench.tell("exit code", process.returncode, process.returncode in (0, SOME_FAILED), output[-200:].strip())
    found = {row.split(",")[1] for row in _rows(out)}
    bench.tell("tomograms with picks", len(found), len(found) == 3)


def _typed(command: list[str], runs: Path) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", *command, "--runs", str(runs), "--run", "check"]


def _rows(folder: Path) -> list[str]:
    path = folder / "submission.csv"
    return path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
