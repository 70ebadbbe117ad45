"""The one pool of processes: work spread over devices, a process each; in this process where there is one device."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pickle import PicklingError
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
Tell = Callable[..., None]
"""Says something of the task that is being worked on, from wherever that is."""
Work = Callable[[Any, Tell], Any]
"""Does a task; told ``(task, tell)``."""


@dataclass(frozen=True)
class Lost:
    """What comes instead of a result where a task's process was killed, for lack of memory mostly."""

    device: str


def work_on(
    tasks: Iterator[Task],
    set_up: Callable[[str], Callable[[Task, Tell], Result]],
    *,
    devices: Sequence[str],
    begun: Callable[[Task, str], None],
    told: Callable[..., None],
    threads: int | None = None,
) -> Iterator[tuple[Task, Result | Lost]]:
    """Do tasks and yield each with its result, as they are done.

    Parameters
    ----------
    tasks
        The next one is asked for when a device is free for it.
    set_up
        Called with a device where the work is done; returns what does a task there. With several devices it goes to
        other processes, so it and the tasks must be small and picklable.
    devices
        One or more; a device that is named twice works on two tasks at a time.
    begun
        Called with a task and its device when it is begun.
    told
        Called with a task and what its work has said of it.
    threads
        Of each process where there are several; by default each has all of them.

    Yields
    ------
    task, result
        `Lost` for a task whose process was killed; its device goes on in a new process.

    Raises
    ------
    Exception
        What a task raised, whose process ends with the others.
    """
    if len(devices) == 1:
        work = set_up(devices[0])
        for task in tasks:
            begun(task, devices[0])

            def tell(*said: Any, task: Task = task) -> None:
                told(task, *said)

            yield task, work(task, tell)
        return
    with _environment(**({} if threads is None else {"OMP_NUM_THREADS": str(threads)})):
        workers = [_Worker[Task](device, set_up) for device in devices]
        try:
            yield from _spread(tasks, workers, begun, told)
        finally:
            for worker in workers:
                worker.stop()


def _spread(
    tasks: Iterator[Task],
    workers: Sequence[_Worker[Task]],
    begun: Callable[[Task, str], None],
    told: Callable[..., None],
) -> Iterator[tuple[Task, Any]]:
    exhausted = False
    while True:
        for worker in workers:
            if worker.task is None and not exhausted:
                try:
                    task = next(tasks)
                except StopIteration:
                    exhausted = True
                    break
                begun(task, worker.device)
                worker.start(task)
        busy = {worker.connection: worker for worker in workers if worker.task is not None}
        if not busy:
            return
        for connection in wait(list(busy)):
            worker = busy[connection]  # type: ignore[index]
            assert worker.task is not None
            task = worker.task[0]
            try:
                kind, content = worker.connection.recv()
            except (EOFError, ConnectionResetError):  # the process is gone
                worker.stop()
                kind, content = "done", Lost(worker.device)
            if kind == "told":
                told(task, *content)
                continue
            worker.task = None
            if kind == "raised":
                raise content
            yield task, content


@dataclass
class _Worker(Generic[Task]):
    """One device, its process (started with the first task, and again after a kill), and what it works on."""

    device: str
    set_up: Callable[[str], Work]
    task: tuple[Task] | None = field(default=None, init=False)
    _process: Any = field(default=None, init=False)
    _connection: Connection | None = field(default=None, init=False)

    @property
    def connection(self) -> Connection:
        assert self._connection is not None, "a worker without a process has nothing to say"
        return self._connection

    def start(self, task: Task) -> None:
        """Begin a task."""
        if self._process is not None and not self._process.is_alive():
            self.stop()
        if self._process is None:
            context = get_context("spawn")  # CUDA does not survive a fork
            self._connection, other = context.Pipe()
            self._process = context.Process(target=_serve, args=(other, self.set_up, self.device))
            self._process.start()
            other.close()  # the process holds the only other end: its death is the end of the pipe
        self.task = (task,)
        self.connection.send(task)

    def stop(self) -> None:
        """End the process, whatever it does: a training that was cut off goes on from its checkpoint."""
        if self._process is not None:
            self.connection.close()
            self._process.terminate()
            self._process.join()
        self._process = self._connection = None


def _serve(connection: Connection, set_up: Callable[[str], Work], device: str) -> None:
    """Work on what comes until nobody is left to ask for it."""

    def tell(*said: Any) -> None:
        try:
            connection.send(("told", said))
        except OSError:  # killed: whoever takes the work up again must not meet this process
            os._exit(1)

    work: Work | None = None
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            work = work or set_up(device)
            answer = "done", work(task, tell)
        except BaseException as error:
            error.add_note(traceback.format_exc())
            answer = "raised", error
        try:
            connection.send(answer)
        except (TypeError, AttributeError, PicklingError) as error:  # what cannot be sent is at least named
            connection.send(("raised", RuntimeError(f"{answer[1]!r} cannot be sent: {error}")))


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables for child processes."""
    old = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in old.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
