"""All trainings of a run, spread over devices."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from compute.cores import usable_threads
from compute.pool import Lost, work_on
from compute.worker import Tell
from evaluation.jobs import Job, run_job
from evaluation.tomogram_types import open_types
from models import registry
from models.member import Space
from postproc.candidates import disk_space
from tomograms.console import counted
from tomograms.dataset import DataRecord, Dataset, open_recorded
from tomograms.disk import require_space
from tomograms.errors import InputError

CPU_PROCESSES = 2
"""Two trainings of half the threads each are faster than one after the other with all of them (see the log of
experiments), because not all of a training is parallel."""


def train_all(
    jobs: Sequence[Job],
    data: DataRecord,
    extra_types: Sequence[str],
    *,
    devices: Sequence[str],
    advance: Callable[[Job, int, int, str], None],
) -> Iterator[Job]:
    """Do the jobs and yield each as it is done.

    Parameters
    ----------
    jobs
        What has not been done yet.
    data, extra_types
        See `evaluation.tomogram_types`.
    devices
        One or more; a device that is named twice works on two jobs at a time.
    advance
        Told of a job's progress: steps done, steps in all, a word on the state.

    Raises
    ------
    InputError
        If a training fails for a reason that is the user's to mend, its device fails, or its process was killed. What
        was finished stays.
    """
    trainer = partial(_trainer, data, tuple(extra_types), dict(registry.MEMBERS))
    for job, result in work_on(
        iter(jobs),
        trainer,
        devices=devices[: len(jobs)],
        begun=lambda job, device: advance(job, 0, 1, ""),
        told=advance,
        threads=usable_threads(len(devices)),
    ):
        if isinstance(result, Lost):
            raise InputError(
                f"{job.directory}: its training ended ({result}); where memory was short, --device cpu or cuda:0 runs "
                "one training at a time; the same command goes on where it stood"
            )
        yield job


def require_room(
    jobs: Sequence[Job], dataset: Dataset, extra_types: Sequence[str], *, folder: Path, at_a_time: int
) -> None:
    """Refuse jobs for whose files the disk has no room.

    Parameters
    ----------
    jobs
        What has not been done yet.
    dataset, extra_types
        What is trained on.
    folder
        The run's.
    at_a_time
        How many trainings.

    Raises
    ------
    InputError
        With what is needed and what is free.
    """
    needs = [training_space(job.member, job.settings, dataset, job.fold.train, extra_types) for job in jobs]
    passing = sorted((need.passing for need in needs), reverse=True)[:at_a_time]
    tables = disk_space(sum(len(job.fold.held_out) for job in jobs))
    require_space(folder, sum(need.kept for need in needs) + sum(passing) + tables, counted(len(jobs), "training"))


def training_space(
    member: str, settings: Any, dataset: Dataset, names: Sequence[str], extra_types: Sequence[str]
) -> Space:
    """Return what a member's training on some tomograms takes of a disk."""
    shapes: list[tuple[int, int, int]] = []
    for name in names:
        z, y, x = (math.ceil(n / dataset.factor(name)) for n in dataset.shape(name))
        shapes.append((z, y, x))
    return registry.get_member(member).space(settings, shapes * (1 + len(extra_types)))


def _trainer(
    data: DataRecord, extra_types: Sequence[str], members: Mapping[str, str], device: str
) -> Callable[[Job, Tell], None]:
    """Return what does a job on a device, in whatever process this is."""
    registry.MEMBERS.update(members)
    typed = open_types(open_recorded(data), extra_types)
    return lambda job, tell: run_job(job, typed, device=device, advance=tell)
