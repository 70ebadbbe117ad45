"""The end of a cross-validation: nested results of every member and seed, printed and kept as ``cv.json``."""

from collections.abc import Sequence

from evaluation.jobs import STAGES, Job
from evaluation.nested import NestedResult, nested
from evaluation.records import report_to_record
from evaluation.report import report
from evaluation.run_directory import RunDirectory
from postproc.candidates import concatenate, read_candidates
from tomograms.console import console
from tomograms.files import write_json


def nested_results(run: RunDirectory, jobs: Sequence[Job]) -> dict[str, NestedResult]:
    """Return the nested result of each member, one per seed where there are several.

    Raises
    ------
    InputError
        If a training's candidates are missing or damaged.
    """
    truth = run.truth()
    results = {}
    for member in run.members:
        for seed in run.seeds:
            name = member if len(run.seeds) == 1 else f"{member}, seed {seed}"
            own = [job.directory / "candidates.parquet" for job in jobs if (job.member, job.seed) == (member, seed)]
            candidates = concatenate([read_candidates(path) for path in own])
            results[name] = nested(truth, candidates, run.particles, run.folds)
    return results


def stage_seconds(run: RunDirectory, jobs: Sequence[Job]) -> dict[str, float]:
    """Return the seconds of each member's stages, added over trainings."""
    return {
        f"{member}: {stage}": sum(job.seconds.get(stage, 0.0) for job in jobs if job.member == member)
        for member in run.members
        for stage in STAGES
    }


def summarise(run: RunDirectory, jobs: Sequence[Job], *, simulated: bool) -> None:
    """Print the report of a finished run and write ``cv.json``."""
    results = nested_results(run, jobs)
    write_json(run.path / "cv.json", report_to_record(results, simulated=simulated))
    console().print(report(results, simulated=simulated, seconds=stage_seconds(run, jobs)))
    console().print(f"next: {run.command('ensemble.build')}", soft_wrap=True)
