"""``python -m evaluation.runs``: list the runs, or compare two."""

from __future__ import annotations

from pathlib import Path

from evaluation.run_directory import RunDirectory, open_run
from tomograms.errors import InputError


def modified(path: Path) -> int:
    """Return when a run was begun or, once it has ended, when it did (nanoseconds)."""
    return max(
        (file.stat().st_mtime_ns for name in ("run.json", "cv.json") if (file := path / name).exists()), default=0
    )


def find_runs(runs: Path) -> list[RunDirectory]:
    """Return every run in a folder, the most recent one last."""
    paths = sorted((path.parent for path in runs.glob("*/run.json")), key=lambda path: (modified(path), path))
    return [open_run(path) for path in paths]


def choose_run(runs: Path, name: str | None) -> RunDirectory:
    """Return the run called ``name``; without a name the most recent one.

    Raises
    ------
    InputError
        If there is none.
    """
    if name is not None:
        return open_run(runs / name)
    found = find_runs(runs)
    if not found:
        raise InputError(f"{runs}: expected a run, but found none; make one: python -m evaluation.cv")
    return found[-1]
