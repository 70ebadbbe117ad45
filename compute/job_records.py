"""What is known of each job on disk: ``jobs/KEY/submitted.json`` and ``state.json``, beside the lock of the job.

The submitting process writes the first, the job itself the second; neither needs the other to be alive.
"""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from compute.lock import SLACK, held
from tomograms.errors import InputError
from tomograms.files import read_json, write_json

OUTPUT = "output"
"""The folder of what jobs print, below that of the jobs."""
WAITING, RUNNING, DONE, FAILED, ENDED = "waiting", "running", "done", "failed", "ended"
POLL = 1.0
"""Seconds between two looks at what others write."""


@dataclass(frozen=True)
class Status:
    """What is known of a job.

    Attributes
    ----------
    key
        Its name.
    state
        ``waiting``, ``running``, ``done``, ``failed``, or ``ended`` without having said why.
    seconds
        How long it has run; ``None`` if it has not.
    node
        The machine.
    reason
        Of a failure, in one line.
    number
        Its number at SLURM or of its process.
    """

    key: str
    state: str
    seconds: float | None
    node: str
    reason: str
    number: str

    def __str__(self) -> str:
        """Return in a line what is known of a job that ended too early."""
        return f"{self.key}: {self.reason or 'its process ended without a word, see the output of its job'}"


def write_submitted(folder: Path, *, on: str, number: str) -> None:
    """Keep which job does a key's work; ``number`` is SLURM's or the process's."""
    own = psutil.Process(int(number)).create_time() if on == "local" else 0.0
    write_json(folder / "submitted.json", {"on": on, "number": number, "host": socket.gethostname(), "started": own})


def do_job(folder: Path, work: Callable[[], None], number: str) -> None:
    """Do a job's work in this process, and keep how it went; another process at the same work is waited for."""
    while True:
        try:
            with held(folder):
                _keep(folder, work, number)
            return
        except InputError as error:
            if "expected to work here alone" not in str(error):
                raise
            time.sleep(POLL)


def _keep(folder: Path, work: Callable[[], None], number: str) -> None:
    own = psutil.Process()
    about: dict[str, Any] = {"number": number, "node": socket.gethostname(), "pid": own.pid, "began": time.time()}
    about["started"] = own.create_time()
    write_json(folder / "state.json", {**about, "state": RUNNING})
    try:
        work()
    except Exception as error:
        reason = " ".join(f"{'' if isinstance(error, InputError) else type(error).__name__ + ': '}{error}".split())
        with suppress(OSError):  # the disk may be what is full
            end = {"state": FAILED, "reason": reason[:500], "seconds": time.time() - about["began"]}
            write_json(folder / "state.json", {**about, **end})
        raise
    write_json(folder / "state.json", {**about, "state": DONE, "seconds": time.time() - about["began"]})


def status(jobs: Path, key: str, alive: Callable[[str, str], bool]) -> Status:
    """Return what is known of a job.

    Parameters
    ----------
    jobs
        The folder of all jobs.
    key
        The job.
    alive
        Told where a job was submitted and its number, says whether it waits or runs; not asked for this machine's.
    """
    submitted, state = _read(jobs / key / "submitted.json"), _read(jobs / key / "state.json")
    number = str(submitted.get("number", ""))
    own = state if state.get("number") == number else {}
    known = str(own.get("state", WAITING))
    if known in (WAITING, RUNNING) and not _lives(submitted, own, alive):
        known = ENDED
    seconds = own.get("seconds", time.time() - own["began"] if known == RUNNING else None)
    return Status(key, known, seconds, str(own.get("node", "")), str(own.get("reason", "")), number)


def find_jobs(jobs: Path) -> list[str]:
    """Return the sorted keys of all jobs that were submitted."""
    return sorted(str(path.parent.relative_to(jobs)) for path in jobs.rglob("submitted.json"))


def _lives(submitted: dict[str, Any], state: dict[str, Any], alive: Callable[[str, str], bool]) -> bool:
    """Return whether a job waits or runs, as far as can be told from this machine."""
    on, number = str(submitted.get("on", "")), str(submitted.get("number", ""))
    if on == "slurm":
        return alive(on, number)
    if on != "local":
        return False
    if submitted.get("host") != socket.gethostname():
        return True
    return _process_lives(int(number), submitted.get("started")) or (
        _process_lives(state.get("pid"), state.get("started"))
    )


def _process_lives(pid: int | None, started: float | None) -> bool:
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return started is None or abs(process.create_time() - started) <= SLACK
    except psutil.Error:
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except InputError:
        return {}
    return content if isinstance(content, dict) else {}
