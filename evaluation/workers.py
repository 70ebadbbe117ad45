"""All trainings of a run, spread over devices: in this process for one device, in a process each for several."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from typing import Any

from evaluation.jobs import Job, run_job
from evaluation.run_directory import RunDirectory
from evaluation.tomogram_types import load, open_views
from models import registry
from tomograms.dataset import Dataset, open_recorded
from tomograms.errors import InputError

Advance = Callable[[Job, int, int, str], None]
"""Told of a job's progress: steps done, steps in all, a word on the state."""

PROCESSES = 2
"""On a CPU: two trainings of half the threads each are faster than one after the other with all of them (see the
CHANGELOG), because not all of a training is parallel."""
LISTEN = 0.5
"""Seconds between two looks at what the processes say."""


def find_devices(asked: Sequence[str]) -> list[str]:
    """Return the devices to train on, one process each: those asked for; ``auto`` is every GPU, or the CPU twice."""
    if list(asked) != ["auto"]:
        return list(asked)
    from compute.precision import every_gpu

    return every_gpu() or ["cpu"] * min(PROCESSES, os.cpu_count() or 1)


def train_all(
    jobs: Sequence[Job], run: RunDirectory, dataset: Dataset, *, devices: Sequence[str], advance: Advance
) -> Iterator[Job]:
    """Do the jobs and yield each as it is done.

    Parameters
    ----------
    jobs
        What has not been done yet.
    run, dataset
        Where they belong, and the data.
    devices
        One or more; a device that is named twice works on two jobs at a time.
    advance
        Told of progress.

    Raises
    ------
    InputError
        If a training fails for a reason that is the user's to mend, or its process was killed. What was finished stays.
    """
    if len(devices) == 1 or len(jobs) == 1:
        yield from _here(jobs, run, dataset, devices[0], advance)
    else:
        yield from _in_processes(jobs, run, dataset, devices[: len(jobs)], advance)


def _here(jobs: Sequence[Job], run: RunDirectory, dataset: Dataset, device: str, advance: Advance) -> Iterator[Job]:
    data = _load(run, dataset)
    for job in jobs:
        advance(job, 0, 1, "")
        run_job(job, *data, device=device, advance=partial(advance, job))
        yield job


def _load(run: RunDirectory, dataset: Dataset) -> tuple[Any, Any]:
    runs = sorted({name for fold in run.folds for name in (*fold.held_out, *fold.train)})
    return load(dataset, open_views(dataset, run.extra_types, run.train), runs=runs, train=run.train)


def _in_processes(
    jobs: Sequence[Job], run: RunDirectory, dataset: Dataset, devices: Sequence[str], advance: Advance
) -> Iterator[Job]:
    context = get_context("spawn")  # CUDA does not survive a fork
    news = context.Queue()
    threads = max(1, (os.cpu_count() or 1) // len(devices))
    worker = Worker(run, dataset.record(), dict(registry.MEMBERS), os.getpid())
    pools = [ProcessPoolExecutor(1, context, initializer=_set_up, initargs=(worker, news)) for _ in devices]
    waiting = list(enumerate(jobs))
    running: dict[Future[None], tuple[int, Job]] = {}
    idle = list(range(len(devices)))
    try:
        with _environment(OMP_NUM_THREADS=str(threads)):  # read when a process of the pools starts
            while waiting or running:
                while idle and waiting:
                    slot, (number, job) = idle.pop(0), waiting.pop(0)
                    advance(job, 0, 1, "")
                    future = pools[slot].submit(_run_one, number, job, devices[slot])
                    running[future] = slot, job
                done, _ = wait(running, timeout=LISTEN, return_when=FIRST_COMPLETED)
                for number, *said in _drain(news):
                    advance(jobs[number], *said)
                for future in sorted(done, key=lambda f: running[f][0]):
                    slot, job = running.pop(future)
                    idle.append(slot)
                    try:
                        future.result()
                    except BrokenProcessPool:
                        raise InputError(
                            f"{job.directory}: its training process was killed, for lack of memory most likely; the "
                            "same command goes on where it stood, with --device cpu or cuda:0 one training at a time"
                        ) from None
                    yield job
    finally:
        for pool in pools:
            for process in list((pool._processes or {}).values()) if running else []:
                process.terminate()  # a job that was cut off goes on from its checkpoint
            pool.shutdown(wait=True, cancel_futures=True)


def _drain(news: Any) -> Iterator[tuple[Any, ...]]:
    while True:
        try:
            yield news.get_nowait()
        except queue.Empty:
            return


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


@dataclass(frozen=True)
class Worker:
    """What a process needs to set itself up; plain and small, since it is sent to it."""

    run: RunDirectory
    data: Mapping[str, Any]
    registry: Mapping[str, str]
    parent: int


_told: tuple[Worker, Any] | None = None
"""Where this process is a worker: what it was told, and its way to speak."""


def _set_up(worker: Worker, news: Any) -> None:
    global _told
    registry.MEMBERS.update(worker.registry)
    _told = worker, news


@cache
def _data() -> tuple[Any, Any]:
    """Return the tomograms and picks; they are read by the first job, so that what is wrong with them is said."""
    assert _told is not None
    return _load(_told[0].run, open_recorded(_told[0].data))


def _run_one(number: int, job: Job, device: str) -> None:
    assert _told is not None
    worker, news = _told

    def advance(done: int, total: int, note: str) -> None:
        if os.getppid() != worker.parent:  # killed: whoever goes on with the run must not meet this training
            os._exit(1)
        news.put((number, done, total, note))

    run_job(job, *_data(), device=device, advance=advance)
