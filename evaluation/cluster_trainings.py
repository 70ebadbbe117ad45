"""The trainings of a run as jobs of their own: on this machine's processes or on SLURM."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from compute.cluster import run_jobs
from compute.cluster_options import Cluster
from compute.job_records import Status
from evaluation.jobs import Job, jobs_of, run_job
from evaluation.run_directory import RunDirectory, open_run
from evaluation.tomogram_types import open_types
from models import registry
from tomograms.console import Progress, console, counted
from tomograms.dataset import open_recorded
from tomograms.errors import InputError


def train_on_cluster(jobs: Sequence[Job], run: RunDirectory, cluster: Cluster, devices: Sequence[str]) -> bool:
    """Have every job done that has not been; return whether all are.

    Raises
    ------
    InputError
        If more than one device is asked for, or see `compute.cluster.run_jobs`.
    """
    if len(devices) != 1:
        raise InputError(f"--device: expected one, that of every job, with --on; but got {' '.join(devices)}")
    by_key = {job.model: job for job in jobs}
    before = sum(job.finished for job in jobs)
    console().print(
        f"run {run.name}: {counted(len(jobs), 'training')}, {before} of them done; jobs in {run.path / 'jobs'}"
    )
    with Progress() as progress:
        whole = progress.task("all trainings", total=len(jobs), done=before)

        def told(status: Status) -> None:
            if not by_key[status.key].finished:
                console().print(f"not finished: {status}", soft_wrap=True)
            whole.update(sum(job.finished for job in jobs))

        left = run_jobs(
            cluster,
            partial(train_one, device=devices[0], members=dict(registry.MEMBERS)),
            run.path,
            list(by_key),
            finished=lambda key: by_key[key].finished,
            told=told,
            name=f"cv-{run.name}",
        )
        if not left:
            whole.finish()
    if left:
        console().print(
            f"missing: {', '.join(status.key for status in left)}; the same command does them", soft_wrap=True
        )
    return not left


def train_one(path: Path, key: str, *, device: str, members: Mapping[str, str]) -> None:
    """Do one training of the run in ``path``, unless it is done; this is what a job does."""
    registry.MEMBERS.update(members)
    run = open_run(path)
    job = next(job for job in jobs_of(run) if job.model == key)
    if not job.finished:
        data = open_types(open_recorded(run.record.data), run.record.extra_tomogram_types)
        run_job(job, data, device=device, advance=print_steps)


def print_steps(done: int, total: int, note: str = "") -> None:
    """Print each tenth of a training."""
    if total >= 10 and done % (total // 10) == 0:
        print(f"{done}/{total} {note}".rstrip(), flush=True)
