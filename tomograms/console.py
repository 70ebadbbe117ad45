"""What a command shows while it works: bars with the remaining time on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import lru_cache

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

INTERVAL = 15.0
"""Seconds between two plain lines of one task."""


@lru_cache(maxsize=1)
def console() -> Console:
    """Return the console of this process; outside a terminal it is wide enough for the report's tables.

    Brackets are printed as they stand: they occur in names.

    A notebook asks for colours (``FORCE_COLOR``), which rich takes for a terminal: hours of moving bars would end up in
    the notebook's file.
    """
    if sys.stdout.isatty():
        return _Console(highlight=False, markup=False)
    return _Console(highlight=False, markup=False, width=140, force_terminal=False)


class _Console(Console):
    """Rich's, which ends with exit code 1 where nobody reads; the command tells what that means."""

    def on_broken_pipe(self) -> None:
        """Go on with the error that rich has caught."""
        raise


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 tomogram", "2 tomograms"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """Return a duration in words: ``8 s``, ``3 min 05 s``, ``1 h 02 min``."""
    whole = round(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Task:
    """One piece of work of known length inside a `Progress`."""

    def __init__(self, progress: Progress, name: str, *, total: int, done: int) -> None:
        self.name = name
        self.total = total
        self.done = done
        self._first = done
        self._progress = progress
        self._start = self._said = progress.clock()
        self._bar = progress.bars.add_task(name, total=total, completed=done, note="") if progress.bars else None
        if self._bar is None:
            self._say("started")

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """Show that ``done`` of ``total`` (unchanged by default) steps are done; also fits `models.member.Advance`."""
        self.done = done
        self.total = self.total if total is None else total
        if self._progress.bars and self._bar is not None:
            self._progress.bars.update(self._bar, completed=done, total=self.total, note=note)
        elif self._progress.clock() - self._said >= INTERVAL:
            self._say(f"{done}/{self.total}{_after(note)}, {self._times()}")

    def finish(self, note: str = "") -> None:
        """Show that the work is done."""
        self.done = self.total
        if self._progress.bars and self._bar is not None:
            self._progress.bars.update(self._bar, completed=self.total, total=self.total, note=note)
        else:
            self._say(f"done in {duration(self._progress.clock() - self._start)}{_after(note)}")

    def _times(self) -> str:
        elapsed = self._progress.clock() - self._start
        fresh = self.done - self._first
        left = duration(elapsed * (self.total - self.done) / fresh) if fresh > 0 else "unknown"
        return f"elapsed {duration(elapsed)}, left {left}"

    def _say(self, text: str) -> None:
        self._said = self._progress.clock()
        console().print(f"{self.name}: {text}", soft_wrap=True)


class Progress:
    """Progress of several tasks, used as a context manager.

    >>> with Progress() as progress:  # doctest: +SKIP
    ...     task = progress.task("fold TS_5_4 unet", total=300)
    ...     task.update(30, note="loss 0.42")
    ...     task.finish(note="loss 0.21")

    Parameters
    ----------
    clock
        Seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.bars: RichProgress | None = None

    def __enter__(self) -> Progress:
        if console().is_terminal:
            self.bars = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=console(),
            )
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bars:
            self.bars.stop()
            self.bars = None

    def task(self, name: str, *, total: int, done: int = 0) -> Task:
        """Begin a task of ``total`` steps, of which ``done`` were done before."""
        return Task(self, name, total=total, done=done)


def _after(note: str) -> str:
    return f", {note}" if note else ""
