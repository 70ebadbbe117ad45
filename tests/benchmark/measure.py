"""Timing of several ways of doing one thing, in turns, so that a busy moment hits all of them; and peak memory."""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Timing:
    """Times of one way.

    Attributes
    ----------
    wall, cpu
        Median over the repeats, seconds; ``cpu`` is that of all threads of this process.
    walls
        Each repeat's.
    """

    wall: float
    cpu: float
    walls: tuple[float, ...]


def interleave(
    ways: Mapping[str, Callable[[], Any]], *, repeats: int, most: float = 120.0
) -> tuple[dict[str, Timing], dict[str, Any]]:
    """Run every way in turns: A B, A B, ...

    Parameters
    ----------
    ways
        By name.
    repeats
        Turns.
    most
        No further turn is begun after so many seconds in all.

    Returns
    -------
    Each way's timing, and its last result.
    """
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, Any] = {}
    begin = time.perf_counter()
    for turn in range(repeats):
        if turn and time.perf_counter() - begin > most:
            break
        for name, way in ways.items():
            results.pop(name, None)
            gc.collect()
            used, start = time.process_time(), time.perf_counter()
            results[name] = way()
            walls[name].append(time.perf_counter() - start)
            cpus[name].append(time.process_time() - used)
    return {name: timing(walls[name], cpus[name]) for name in ways}, results


def timing(walls: Sequence[float], cpus: Sequence[float]) -> Timing:
    """Return the medians of repeats."""
    return Timing(statistics.median(walls), statistics.median(cpus), tuple(walls))


def once(way: Callable[[], Any]) -> tuple[Timing, Any]:
    """Return the timing of one call, and its result."""
    timings, results = interleave({"": way}, repeats=1)
    return timings[""], results[""]


def memory_of(task: str, *, shape: Sequence[int], **options: int | str) -> dict[str, float]:
    """Return ``base`` and ``peak``, GiB, of a task of `tests.benchmark.memory` in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmark.memory", task, "--shape", *map(str, shape)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
