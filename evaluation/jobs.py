"""One training and its out-of-fold candidates: the unit of a cross-validation, independent of all others."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from compute.peak_memory import peak_memory
from evaluation.folds import Fold
from evaluation.run_directory import RunDirectory
from evaluation.tomogram_types import TypedData
from models.member import Advance, Training, Validation
from models.registry import get_member
from models.settings import from_record
from postproc.candidates import concatenate, write_candidates
from postproc.convert import to_candidates, within_mask
from tomograms.files import read_json, write_json
from tomograms.particles import Particle

STAGES = ("train", "predict", "candidates")


@dataclass(frozen=True)
class Job:
    """What one training needs.

    Attributes
    ----------
    fold, member, settings, seed
        What is trained, on what.
    particles
        Every species.
    directory
        Where everything of it is written.
    """

    fold: Fold
    member: str
    settings: Any
    seed: int
    particles: Sequence[Particle]
    directory: Path

    @property
    def model(self) -> str:
        """The model's name in the candidates: ``HELD_OUT/MEMBER-SEED``."""
        return f"{self.directory.parent.name}/{self.directory.name}"

    @property
    def finished(self) -> bool:
        """Whether its candidates are there; they are written last."""
        return (self.directory / "candidates.parquet").exists()

    @property
    def trained(self) -> bool:
        """Whether its weights are there."""
        return (self.directory / "weights.safetensors").exists()

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each stage, as far as they were measured."""
        path = self.directory / "seconds.json"
        return dict(read_json(path)) if path.exists() else {}


def run_job(job: Job, data: TypedData, *, device: str, advance: Advance) -> None:
    """Train the job's network (unless that is done), predict its held-out runs, and keep their candidates.

    Parameters
    ----------
    job
        What is to be done.
    data
        Read here, as far as it is needed. The picks of the held-out runs are only looked at: nothing that is kept
        depends on them.
    device
        ``auto``, ``cpu`` or ``cuda[:N]``.
    advance
        Told of the training's progress.
    """
    member = get_member(job.member)
    seconds = job.seconds
    tomograms = {run: data.main.tomogram(run) for run in job.fold.held_out}
    if not job.trained:
        first = job.fold.held_out[0]
        train, picks = data.training(job.fold.train)
        validation = Validation(tomograms[first], data.main.picks(first))
        start = time.perf_counter()
        member.fit(
            Training(train, picks, validation, job.particles, job.settings, job.seed, job.directory, device),
            advance,
        )
        seconds["train"] = time.perf_counter() - start
        write_json(job.directory / "seconds.json", seconds)
        del train
    predictor = member.load(job.directory, device)
    tables: list[pd.DataFrame] = []
    spent = dict.fromkeys(STAGES[1:], 0.0)
    for run, tomogram in tomograms.items():
        start = time.perf_counter()
        output = predictor.predict(tomogram)
        middle = time.perf_counter()
        found = to_candidates(
            output,
            job.particles,
            tomogram.voxel_size,
            experiment=run,
            member=job.member,
            model=job.model,
            device=device,
        )
        tables.append(within_mask(found, tomogram))
        spent["predict"] += middle - start
        spent["candidates"] += time.perf_counter() - middle
    write_json(job.directory / "seconds.json", seconds | spent)
    write_json(job.directory / "memory.json", peak_memory())
    write_candidates(job.directory / "candidates.parquet", concatenate(tables))


def jobs_of(run: RunDirectory) -> list[Job]:
    """Return the run's jobs: member by member, so that a first member is complete early, then fold by fold."""
    return [
        Job(fold, member, from_record(member, settings), seed, run.particles, run.job(fold, member, seed))
        for member, settings in run.record.members.items()
        for seed in run.seeds
        for fold in run.folds
    ]
