"""A cross-validation on disk: what lies where under ``runs/NAME/``.

``run.json`` (what was asked for), ``truth.csv``, ``folds/HELD_OUT/MEMBER-SEED/`` (weights, history, candidates),
``cv.json``, and later ``optuna.db``, ``ensemble.json`` and ``submission.csv``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from evaluation.folds import Fold
from evaluation.options import RUNS
from evaluation.run_record import RunRecord, read_record
from postproc.candidates import concatenate, read_candidates
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.picks import TRUTH_COLUMNS, read_truth, write_truth
from tomograms.program import command_line


@dataclass(frozen=True)
class RunDirectory:
    """The paths and tables of one run.

    Attributes
    ----------
    path
        ``runs/NAME``.
    record
        The content of ``run.json``.
    """

    path: Path
    record: RunRecord

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def particles(self) -> tuple[Particle, ...]:
        """Every species of the run's data."""
        return self.record.particles

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The run's folds."""
        return self.record.folds

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the run's members."""
        return tuple(self.record.members)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds with which each fold and member is trained."""
        return self.record.seeds

    def command(self, module: str, options: Iterable[tuple[str, object]] = ()) -> str:
        """Return a command of this project on this run, as a shell takes it; see `tomograms.program.command_line`."""
        folder = None if self.path.parent == RUNS else self.path.parent
        return command_line(module, options=[*options, ("--run", self.name), ("--runs", folder)])

    def job(self, fold: Fold, member: str, seed: int) -> Path:
        """Return the folder of one training."""
        return self.path / "folds" / fold.name / f"{member}-{seed}"

    def jobs(self, member: str) -> list[Path]:
        """Return the folders of a member's trainings, fold by fold and seed by seed."""
        return [self.job(fold, member, seed) for fold in self.folds for seed in self.seeds]

    def truth(self) -> pd.DataFrame:
        """Return the truth of every run that is held out somewhere."""
        return read_truth(self.path / "truth.csv")

    def candidates(self, members: Iterable[str] | None = None) -> pd.DataFrame:
        """Return the out-of-fold candidates of the members (all, by default).

        Raises
        ------
        InputError
            If a training has not finished.
        """
        tables = []
        for member in members if members is not None else self.members:
            for job in self.jobs(member):
                path = job / "candidates.parquet"
                if not path.exists():
                    raise InputError(
                        f"{path}: no such file; the cross-validation has not finished: "
                        f"{self.command('evaluation.cv')} goes on with it"
                    )
                tables.append(read_candidates(path))
        return concatenate(tables)


def open_run(path: Path) -> RunDirectory:
    """Return the run that lies in ``path``.

    Raises
    ------
    InputError
        If there is none, or its ``run.json`` is damaged.
    """
    if not (path / "run.json").exists():
        raise InputError(f"{path}: expected a run with a run.json, but found none; make one: python -m evaluation.cv")
    return RunDirectory(path, read_record(path / "run.json"))


def create_run(path: Path, record: RunRecord, truth: pd.DataFrame) -> RunDirectory:
    """Write a new run's ``run.json`` and ``truth.csv``, in that the latter is complete before the former exists."""
    write_truth(path / "truth.csv", truth[TRUTH_COLUMNS])
    record.write(path / "run.json")
    return RunDirectory(path, record)


def modified(path: Path) -> int:
    """Return when a run was begun or, once it has ended, when it did (nanoseconds)."""
    files = (path / name for name in ("run.json", "cv.json"))
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


def find_runs(runs: Path) -> list[RunDirectory]:
    """Return every run in a folder, the most recent one last."""
    paths = sorted((path.parent for path in runs.glob("*/run.json")), key=lambda path: (modified(path), path))
    return [open_run(path) for path in paths]


def choose_run(runs: Path, name: str | None) -> RunDirectory:
    """Return the run called ``name``; without a name the most recent one.

    Raises
    ------
    InputError
        If there is none.
    """
    if name is not None and (runs / name / "run.json").exists():
        return open_run(runs / name)
    found = find_runs(runs)
    if name is not None:
        there = f"runs there: {', '.join(run.name for run in found)}" if found else "make one: python -m evaluation.cv"
        raise InputError(f"{runs / name}: expected a run with a run.json, but found none; {there}")
    if not found:
        raise InputError(f"{runs}: expected a run, but found none; make one: python -m evaluation.cv")
    return found[-1]
