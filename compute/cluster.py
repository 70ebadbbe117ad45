"""Jobs beside this process: submitit hands them to this machine or to SLURM; what they leave on disk says the rest."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute.cluster_options import NO_SUBMITIT, Cluster
from compute.cores import usable_threads
from compute.environment import variables
from compute.job_records import OUTPUT, POLL, RUNNING, WAITING, Status, do_job, status, write_submitted
from compute.lock import forget
from tomograms.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
"""What jobs import the project from, wherever they start."""
UNLIMITED = 60 * 24 * 365
"""Minutes that a job on this machine gets where no time was asked for."""
RESUMES = 20
"""How often a job of SLURM's that reached its time limit is queued again: it goes on where it stood."""
GPUS = "CUDA_VISIBLE_DEVICES"
Function = Callable[[Path, str], None]
"""Does one job, told a folder and the job's key."""


@dataclass(frozen=True)
class Work:
    """What a job does; small, and sent to it.

    Attributes
    ----------
    function
        Told the folder and the key.
    jobs
        Where is kept how it went.
    gpus
        Those that the submitting process sees, as in ``CUDA_VISIBLE_DEVICES``; submitit hides all from jobs of this
        machine.
    """

    function: Function
    jobs: str
    gpus: str | None = None

    def __call__(self, folder: str, key: str) -> None:
        """Do it."""
        if os.environ.get("SUBMITIT_EXECUTOR") == "local":
            os.environ.pop(GPUS, None)
            os.environ.update({} if self.gpus is None else {GPUS: self.gpus})
        do_job(Path(self.jobs) / key, lambda: self.function(Path(folder), key), _number())

    def checkpoint(self, folder: str, key: str) -> Any:
        """Return what is queued again after a time limit or a preemption: the same, which goes on where it stood."""
        return _submitit().helpers.DelayedSubmission(self, folder, key)


def run_jobs(
    cluster: Cluster,
    function: Function,
    folder: Path,
    keys: Sequence[str],
    *,
    finished: Callable[[str], bool],
    told: Callable[[Status], None],
    name: str,
) -> list[Status]:
    """Have jobs done, and wait for their end; return those that have not finished their work.

    What an earlier process has submitted and still waits or runs is not submitted again.

    Parameters
    ----------
    cluster
        Where.
    function
        What a job does; importable, since it is sent by name.
    folder
        Told to each job; ``folder/jobs`` keeps how each went.
    keys
        The jobs, in the order in which they are begun.
    finished
        Whether a job's results are there.
    told
        Told of each job once it has ended.
    name
        What SLURM shows.

    Raises
    ------
    InputError
        If submitit is not installed, there is no SLURM, or it refuses an option.
    """
    folder = folder.resolve()
    jobs = folder / "jobs"
    executor = make_executor(cluster, jobs, name)
    work = Work(function, str(jobs), os.environ.get(GPUS))
    going: dict[str, Any] = {}
    for key in keys:
        if not finished(key) and status(jobs, key, _alive).state in (WAITING, RUNNING):
            going[key] = None
    todo = deque(key for key in keys if key not in going and not finished(key))
    limit = len(todo) if cluster.on == "slurm" else cluster.jobs  # SLURM keeps to the limit by itself
    left: list[Status] = []
    while todo or going:
        batch = [todo.popleft() for _ in range(min(len(todo), max(0, limit - len(going))))]
        threads = {"OMP_NUM_THREADS": str(usable_threads(cluster.jobs))} if cluster.on == "local" else {}
        with variables(PYTHONPATH=_search_path(), **threads):
            going |= _submit(executor, cluster, work, folder, batch)
        ended = [key for key, job in going.items() if _over(jobs, key, job, finished)]
        for key in ended:
            del going[key]
            known = status(jobs, key, _alive)
            told(known)
            if not finished(key):
                left.append(known)
        if going and not ended:
            time.sleep(POLL)
    return left


def make_executor(cluster: Cluster, jobs: Path, name: str) -> Any:
    """Return submitit's executor.

    Raises
    ------
    InputError
        See `run_jobs`.
    """
    submitit = _submitit()
    output = jobs / OUTPUT / "%j"
    if cluster.on == "debug":
        return submitit.DebugExecutor(output)
    if cluster.on == "local":
        executor = submitit.LocalExecutor(output, max_num_timeout=0)
        executor.update_parameters(timeout_min=cluster.slurm.get("time", UNLIMITED))
        return executor
    executor = submitit.SlurmExecutor(output, max_num_timeout=RESUMES)
    known = executor._valid_parameters()
    options: dict[str, Any] = {key: value for key, value in cluster.slurm.items() if key in known}
    for lines in ("setup", "teardown", "srun_args"):
        if lines in options:
            options[lines] = [str(options[lines])]
    further = {key.replace("_", "-"): value for key, value in cluster.slurm.items() if key not in known}
    options = {"job_name": name, "array_parallelism": cluster.jobs, **options, "additional_parameters": further}
    executor.update_parameters(**options)
    return executor


def show_status(jobs: Path, key: str) -> Status:
    """Return what is known of a job, SLURM's word included."""
    return status(jobs, key, _alive)


def _submit(executor: Any, cluster: Cluster, work: Work, folder: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Submit jobs and keep their numbers; several at SLURM are an array."""
    if not keys:
        return {}
    jobs = Path(work.jobs)
    for key in keys:
        forget(jobs / key)
    with executor.batch():
        submitted = [executor.submit(work, str(folder), key) for key in keys]
    for key, job in zip(keys, submitted, strict=True):
        write_submitted(jobs / key, on=cluster.on, number="debug" if cluster.on == "debug" else job.job_id)
        if cluster.on == "debug":
            error = job.exception()
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise error
    return dict(zip(keys, submitted, strict=True))


def _over(jobs: Path, key: str, job: Any, finished: Callable[[str], bool]) -> bool:
    """Return whether a job has ended; its process of this machine is let go of."""
    if isinstance(job, _submitit().LocalJob) and not job.done():
        return False
    known = status(jobs, key, _alive)
    return known.state not in (WAITING, RUNNING) or (job is None and finished(key))


def _alive(on: str, number: str) -> bool:
    """Return whether SLURM has a job in its queue; a job of which it knows nothing yet counts as waiting."""
    return not _submitit().SlurmJob.watcher.is_done(number)


def _number() -> str:
    """Return the number of the job that this process does."""
    try:
        return str(_submitit().JobEnvironment().job_id)
    except RuntimeError:
        return "debug"


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise InputError(NO_SUBMITIT) from None
    return submitit


def _search_path() -> str:
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
