"""One process of the pool: its device, what it works on, and when it was last heard of."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.resource_tracker import ensure_running
from pickle import PicklingError
from typing import Any, Generic, TypeVar

from compute.faults import DeviceError, is_device_fault

Task = TypeVar("Task")
Tell = Callable[..., None]
"""Says something of the task that is being worked on, from wherever that is."""
Work = Callable[[Any, Tell], Any]
"""Does a task; told ``(task, tell)``."""
GONE = "gone"
"""What a worker says at last, with the reason and whether the device is to blame, whatever the task was."""

LONGEST_END = 10.0
"""Seconds that are waited for a process to end: one that hangs in a driver ends when that lets it."""


@dataclass(eq=False)
class Worker(Generic[Task]):
    """A device and its process, which starts with the first task, and again after its end.

    Attributes
    ----------
    device
        Its name.
    set_up
        Called with the device in the process; returns what does a task there.
    task
        What is being worked on, in a tuple.
    begun, heard
        When the task was begun, and when the process last said something, in seconds of a monotonic clock.
    """

    device: str
    set_up: Callable[[str], Work]
    task: tuple[Task] | None = field(default=None, init=False)
    begun: float = field(default=0.0, init=False)
    heard: float = field(default=0.0, init=False)
    _process: Any = field(default=None, init=False)
    _connection: Connection | None = field(default=None, init=False)

    @property
    def connection(self) -> Connection:
        """The pipe to the process."""
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
            with _without_interrupts():
                self._process.start()
            other.close()  # the process holds the only other end: its death is the end of the pipe
        self.task = (task,)
        self.begun = self.heard = time.monotonic()
        with suppress(OSError):  # it died in this moment: `receive` will say so
            self.connection.send(task)

    def receive(self) -> tuple[str, Any]:
        """Return what the process says: ``told``, ``done`` or ``raised`` with its content, or `GONE`."""
        try:
            kind, content = self.connection.recv()
        except (EOFError, ConnectionResetError):
            kind, content = GONE, ("its process was killed", False)
        self.heard = time.monotonic()
        if kind == GONE:
            self.stop()
        return kind, content

    def release(self) -> None:
        """Let a process that has nothing to do end by itself; `stop` waits for it."""
        if self._connection is not None and self.task is None:
            self._connection.close()

    def stop(self) -> None:
        """End the process, whatever it does: a training that was cut off goes on from its checkpoint.

        One that has nothing to do may tidy up before: what it leaves (locks of tqdm's) Python complains of at the end.
        """
        if self._process is not None:
            self.connection.close()
            if self.task is None:
                self._process.join(LONGEST_END)
            self._process.kill()
            self._process.join(LONGEST_END)
        self._process = self._connection = None


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started meanwhile: it is for this one, which ends them; it comes afterwards.

    A terminal sends it to all, and each would complain in the middle of its imports.
    """
    ensure_running()  # multiprocessing's tracker, whose start lets interrupts through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, set_up: Callable[[str], Work], device: str) -> None:
    """Work on what comes until nobody is left to ask for it, or the device fails."""

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
            answer: tuple[str, Any] = "done", work(task, tell)
        except BaseException as error:
            if is_device_fault(error):  # what this process does on its device from now on would fail as well
                reason = " ".join(str(error).split())[:200]
                connection.send((GONE, (reason, isinstance(error, DeviceError))))
                os._exit(1)  # without the clean-up, which would wait for the device
            error.add_note(traceback.format_exc())
            answer = "raised", error
        try:
            connection.send(answer)
        except (TypeError, AttributeError, PicklingError) as error:  # what cannot be sent is at least named
            connection.send(("raised", RuntimeError(f"{answer[1]!r} cannot be sent: {error}")))
