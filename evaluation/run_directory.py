"""A cross-validation on disk: what lies where under ``runs/NAME/``.

``run.json`` (what was asked for), ``truth.csv``, ``folds/HELD_OUT/MEMBER-SEED/`` (weights, history, candidates),
``cv.json``, and later ``optuna.db``, ``ensemble.json`` and ``submission.csv``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from evaluation.folds import Fold
from postproc.candidates import concatenate, read_candidates
from tomograms.errors import InputError
from tomograms.files import read_json, write_json
from tomograms.particles import Particle, from_records, to_records
from tomograms.picks import TRUTH_COLUMNS, read_truth, write_truth

RUNS = Path("runs")


@dataclass(frozen=True)
class RunDirectory:
    """The paths and tables of one run.

    Attributes
    ----------
    path
        ``runs/NAME``.
    record
        The content of ``run.json``: ``data`` (root and how it is read), ``data_hash``, ``particles``, ``folds``,
        ``members`` (settings by member), ``seeds``, ``versions``, ``commit``; ``extra_tomogram_types`` where training
        runs have further views.
    """

    path: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def particles(self) -> tuple[Particle, ...]:
        """Every species of the run's data."""
        return from_records(self.record["particles"])

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The run's folds."""
        return tuple(Fold(tuple(f["held_out"]), tuple(f["train"])) for f in self.record["folds"])

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the run's members."""
        return tuple(self.record["members"])

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds with which each fold and member is trained."""
        return tuple(self.record["seeds"])

    @property
    def extra_types(self) -> tuple[str, ...]:
        """The tomogram types in which training runs are seen beside the main one; see `evaluation.tomogram_types`."""
        return tuple(self.record.get("extra_tomogram_types", ()))

    @property
    def train(self) -> tuple[str, ...]:
        """The sorted names of the runs that train in some fold."""
        return tuple(sorted({name for fold in self.folds for name in fold.train}))

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
                        f"python -m evaluation.cv --run {self.name} goes on with it"
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
    record = read_json(path / "run.json")
    wanted = {"data", "data_hash", "particles", "folds", "members", "seeds"}
    if not isinstance(record, dict) or not wanted <= set(record):
        raise InputError(f"{path / 'run.json'}: expected the keys {sorted(wanted)}, but got something else")
    return RunDirectory(path, record)


def create_run(path: Path, record: Mapping[str, Any], truth: pd.DataFrame) -> RunDirectory:
    """Write a new run's ``run.json`` and ``truth.csv``, in that the latter is complete before the former exists."""
    write_truth(path / "truth.csv", truth[TRUTH_COLUMNS])
    write_json(path / "run.json", dict(record))
    return RunDirectory(path, record)


def folds_to_records(folds: Iterable[Fold]) -> list[dict[str, list[str]]]:
    """Return the folds as plain dictionaries, for JSON."""
    return [{"held_out": list(fold.held_out), "train": list(fold.train)} for fold in folds]


__all__ = ["RUNS", "RunDirectory", "create_run", "folds_to_records", "open_run", "to_records"]
