"""The one pool of processes: work spread over devices, a process each, and what is done when one fails."""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from statistics import median
from typing import Any, Generic, TypeVar

from compute.environment import variables
from compute.worker import GONE, Tell, Worker

Task = TypeVar("Task")
Result = TypeVar("Result")
MOST_FAULTS = 2
"""Tasks that may fail on a device before it is dropped."""


@dataclass(frozen=True)
class Lost:
    """What comes instead of a result where a task's process was killed or its device failed."""

    device: str
    reason: str

    def __str__(self) -> str:
        """Return the reason and the device."""
        return f"{self.reason} ({self.device})" if self.device else self.reason


@dataclass(frozen=True)
class Care:
    """How a pool goes on where a process or a device fails.

    Attributes
    ----------
    tries
        How often a task is begun at most; the second time on another device, if there is one.
    silence
        A process that has said nothing for so many times the usual time of a task is ended.
    shortest, unknown
        Seconds: it is never ended before the first; the second is the limit while no task has been done.
    """

    tries: int = 2
    silence: float = 10.0
    shortest: float = 60.0
    unknown: float = 3600.0


NO_CARE = Care(tries=1, silence=math.inf, unknown=math.inf)
"""A task is lost with its process, and silence says nothing."""


def work_on(
    tasks: Iterator[Task],
    set_up: Callable[[str], Callable[[Task, Tell], Result]],
    *,
    devices: Sequence[str],
    begun: Callable[[Task, str], None],
    told: Callable[..., None],
    threads: int | None = None,
    care: Care = NO_CARE,
    faulty: Callable[[Task, Lost, str | None], None] = lambda task, lost, dropped: None,
    done: Callable[[Task, Any], None] = lambda task, result: None,
) -> Iterator[tuple[Task, Result | Lost]]:
    """Do tasks and yield each with its result, as they are done.

    Parameters
    ----------
    tasks
        The next one is asked for when a device is free for it.
    set_up
        Called with a device where the work is done; returns what does a task there. It goes to other processes, unless
        the one device is the CPU, so it and the tasks must be small and picklable.
    devices
        One or more; a device that is named twice works on two tasks at a time.
    begun
        Called with a task and its device when it is begun.
    told
        Called with a task and what its work has said of it.
    threads
        Of each process where there are several; by default each has all of them.
    care
        How to go on after a fault.
    faulty
        Called with a task that will be tried again, why, and the device that is dropped for it, if one is.
    done
        Called with a task and its result before its device gets the next one. Whoever takes the results may take time:
        the devices are at work by then.

    Yields
    ------
    task, result
        `Lost` for a task whose process was killed, whose device failed, or that no device was left for.

    Raises
    ------
    Exception
        What a task raised, unless it is a device's fault; its process ends with the others.
    """
    if len(devices) == 1 and not devices[0].startswith("cuda"):
        yield from _here(tasks, set_up, devices[0], begun, told, done)
        return
    pool = Pool(tasks, [Worker[Task](device, set_up) for device in devices], begun, told, care, faulty, done)
    with variables(**({} if threads is None else {"OMP_NUM_THREADS": str(threads)})):
        try:
            yield from pool.results()
        finally:
            for worker in pool.workers:  # all at once
                worker.release()
            for worker in pool.workers:
                worker.stop()


def _here(
    tasks: Iterator[Task],
    set_up: Callable[[str], Callable[[Task, Tell], Result]],
    device: str,
    begun: Callable[[Task, str], None],
    told: Callable[..., None],
    done: Callable[[Task, Any], None],
) -> Iterator[tuple[Task, Result | Lost]]:
    work = set_up(device)
    for task in tasks:
        begun(task, device)

        def tell(*said: Any, task: Task = task) -> None:
            told(task, *said)

        result = work(task, tell)
        done(task, result)
        yield task, result


@dataclass
class Pool(Generic[Task]):
    """Workers at work; see `work_on`."""

    tasks: Iterator[Task]
    workers: list[Worker[Task]]
    begun: Callable[[Task, str], None]
    told: Callable[..., None]
    care: Care
    faulty: Callable[[Task, Lost, str | None], None]
    done: Callable[[Task, Any], None]
    _again: deque[tuple[Task, str]] = field(default_factory=deque, init=False)
    _faults: list[tuple[Task, str]] = field(default_factory=list, init=False)
    _blamed: dict[str, int] = field(default_factory=lambda: defaultdict(int), init=False)
    _seconds: deque[float] = field(default_factory=lambda: deque(maxlen=20), init=False)
    _reason: str = field(default="", init=False)

    def results(self) -> Iterator[tuple[Task, Any]]:
        """Yield each task with its result."""
        while True:
            for worker in self.workers:
                if worker.task is None:
                    self._begin(worker)
            busy = {worker.connection: worker for worker in self.workers if worker.task is not None}
            if not busy:
                break
            first = min(worker.heard for worker in busy.values()) + self._limit() - time.monotonic()
            for connection in wait(list(busy), None if math.isinf(first) else max(0.0, first)):
                yield from self._hear(busy[connection])  # type: ignore[index]
            for worker in busy.values():
                silent = time.monotonic() - worker.heard
                if worker.task is not None and silent >= self._limit():
                    worker.stop()
                    yield from self._fault(worker, f"its process said nothing for {silent:.0f} s", certain=False)
        nobody = Lost("", f"no device is left: {self._reason}")
        yield from ((task, nobody) for task, _ in self._again)
        yield from ((task, nobody) for task in self.tasks)

    def _begin(self, worker: Worker[Task]) -> None:
        """Give a worker the first lost task that has not failed on its device, or the next one."""
        others = any(other.device != worker.device for other in self.workers)
        for entry in self._again:
            if entry[1] != worker.device or not others:
                self._again.remove(entry)
                task = entry[0]
                break
        else:
            try:
                task = next(self.tasks)
            except StopIteration:
                return
        self.begun(task, worker.device)
        worker.start(task)

    def _hear(self, worker: Worker[Task]) -> Iterator[tuple[Task, Any]]:
        """Take what a worker says."""
        if worker.task is None:  # its device was dropped in this round
            return
        task = worker.task[0]
        kind, content = worker.receive()
        if kind == "told":
            self.told(task, *content)
        elif kind == GONE:
            reason, certain = content
            yield from self._fault(worker, reason, certain=certain)
        else:
            worker.task = None
            if kind == "raised":
                raise content
            self._seconds.append(time.monotonic() - worker.begun)
            self.done(task, content)
            self._begin(worker)
            yield task, content

    def _fault(self, worker: Worker[Task], reason: str, *, certain: bool) -> Iterator[tuple[Task, Lost]]:
        """Try a worker's task again elsewhere, or give it up; drop its device if it has failed too often.

        ``certain``: the device is to blame. Otherwise it is unless the task fails on another one, too.
        """
        assert worker.task is not None
        task, worker.task, self._reason = worker.task[0], None, reason
        lost = Lost(worker.device, reason)
        before = [device for other, device in self._faults if other is task]
        self._faults.append((task, worker.device))
        elsewhere = [device for device in before if device != worker.device]
        if certain or not before:
            self._blamed[worker.device] += 1
        elif elsewhere:
            self._blamed[elsewhere[0]] -= 1
        dropped = None
        if self._blamed[worker.device] >= MOST_FAULTS:
            dropped = worker.device
            self._drop(dropped)
        again = len(before) + 1 < self.care.tries
        if again:
            self._again.append((task, worker.device))
        if again or dropped:
            self.faulty(task, lost, dropped)
        if not again:
            yield task, lost

    def _drop(self, device: str) -> None:
        """Do without a device: what its other processes work on is begun anew elsewhere."""
        for worker in [worker for worker in self.workers if worker.device == device]:
            self.workers.remove(worker)
            worker.stop()
            if worker.task is not None:
                self._again.append((worker.task[0], device))
                worker.task = None

    def _limit(self) -> float:
        """Return the seconds of silence after which a process is ended."""
        if not self._seconds:
            return self.care.unknown
        return max(self.care.shortest, self.care.silence * median(self._seconds))
