"""One process at a time on one folder: the second is told who holds it; a holder that is dead is replaced."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tomograms.errors import InputError

NAME = ".lock"
SLACK = 2.0
"""Seconds by which two readings of a process's start may differ."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if it is not there, while the block runs.

    Raises
    ------
    InputError
        If another process holds it that is alive, or lives on another machine, where nobody can tell from here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    me = {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time(), "job": _job()}
    while not _take(path, json.dumps(me)):
        holder = _holder(path)
        if holder is not None and not _gone(*holder):
            host, pid = holder[:2]
            raise InputError(
                f"{folder}: expected to work here alone, but process {pid} on {host} does; wait for it, or delete "
                f"{path} if it is gone"
            )
        path.unlink(missing_ok=True)  # left behind by a process that was killed
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Delete the lock of a process on another machine of which is known that it has ended."""
    holder = _holder(folder / NAME)
    if holder is not None and holder[0] != socket.gethostname():
        (folder / NAME).unlink(missing_ok=True)


def _job() -> str:
    """Return the number of the batch job that this process belongs to; empty if there is none."""
    return os.environ.get("SLURM_JOB_ID", "")


def _take(path: Path, content: str) -> bool:
    """Write a file that must not be there yet; return whether that worked. It appears with its content."""
    draft = path.with_name(f"{NAME}.{os.getpid()}")
    draft.write_text(content, encoding="utf-8")
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(content)
        except FileExistsError:
            return False
    finally:
        draft.unlink()
    return True


def _holder(path: Path) -> tuple[str, int, float, str] | None:
    """Return host, process, its start and its batch job; ``None`` where the file is gone or damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return str(record["host"]), int(record["pid"]), float(record["started"]), str(record.get("job", ""))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _gone(host: str, pid: int, started: float, job: str) -> bool:
    """Return whether a process of this machine has ended; its number may be another's by now.

    On another machine it has if it belonged to the batch job that is this one, and that was queued again.
    """
    if host != socket.gethostname():
        return job != "" and job == _job()
    try:
        return abs(psutil.Process(pid).create_time() - started) > SLACK
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
