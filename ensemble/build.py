"""``python -m ensemble.build``: tune the ensemble of a run's members, report it honestly, write ``ensemble.json``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tomograms.errors import InputError, run_command

if TYPE_CHECKING:
    from optuna.study import Study

    from evaluation.run_directory import RunDirectory

DEFAULT_TRIALS = 100
DEFAULT_SEED = 8620


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog="python -m ensemble.build",
        description="Calibrate, cluster and tune a run's members into one ensemble; print it against its members and "
        "against simpler fusions; write ensemble.json.",
    )
    options.add_argument("--run", help="name of the run (default: the most recent one)")
    options.add_argument(
        "--trials", type=int, default=DEFAULT_TRIALS, help=f"per species and fold (default: {DEFAULT_TRIALS})"
    )
    options.add_argument("--seed", type=int, default=DEFAULT_SEED, help=f"of Optuna (default: {DEFAULT_SEED})")
    options.add_argument("--storage", help="database URL of the studies (default: SQLite, RUN/optuna.db)")
    options.add_argument(
        "--add",
        action="append",
        default=[],
        metavar="NAME=FILE.csv",
        help="another tool's candidates as a member: experiment,particle_type,x,y,z,score (Å); may be repeated",
    )
    options.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser().parse_args(argv)
    if arguments.trials < 1:
        raise InputError(f"--trials: expected at least 1, but got {arguments.trials}")
    if arguments.seed < 0:
        raise InputError(f"--seed: expected at least 0, but got {arguments.seed}")
    from ensemble.add import keep_added, parse_additions, read_added
    from ensemble.comparison import BASELINES, compare
    from ensemble.ensemble import FILE
    from ensemble.records import check_replay, gather, held_out, to_record
    from ensemble.report import report
    from ensemble.tuning import Tuning
    from evaluation.runs import choose_run
    from tomograms.console import Progress, console
    from tomograms.files import write_json

    run = choose_run(arguments.runs, arguments.run)
    files = parse_additions(arguments.add, [*run.members, *BASELINES])
    tables = {
        name: read_added(path, member=name, particles=run.particles, held_out=held_out(run))
        for name, path in files.items()
    }
    for name, table in tables.items():
        keep_added(run, name, table)
    candidates = gather(run, tables)
    members = ", ".join([*run.members, *tables])
    console().print(f"run {run.name}: {members}; {len(run.folds)} folds, {len(candidates)} candidates", markup=False)
    tuning = Tuning(arguments.trials, arguments.seed)
    with Progress() as progress:
        task = progress.task("tuning without each fold, then on all", total=len(run.folds) + 1)
        comparison, studies = compare(
            run.truth(),
            candidates,
            particles=run.particles,
            folds=run.folds,
            tuning=tuning,
            fitted=lambda: task.update(task.done + 1),
        )
        task.finish()
    record = to_record(comparison, run, tuning=tuning, added=list(tables))
    write_json(run.path / FILE, record)
    check_replay(run)
    console().print(report(comparison, simulated=record["simulated"], voxel_size=run.record.get("voxel_size")))
    where = store(studies, run, arguments.storage)
    console().print(
        f"written: {run.path / FILE} (replays both scores exactly), studies in {where}\n"
        f"next: python -m submissions.make --run {run.name}",
        markup=False,
    )
    return 0


def store(studies: dict[str, Study], run: RunDirectory, storage: str | None) -> str:
    """Write the studies to the database, by default ``optuna.db`` in the run, replaced as a whole; return its URL.

    Raises
    ------
    InputError
        If the database cannot be reached.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from ensemble.tuning import store_studies
    from tomograms.files import replacing

    if storage is None:
        path = run.path / "optuna.db"
        with replacing(path) as temporary:
            store_studies(studies, f"sqlite:///{temporary}", run.name)
        return f"sqlite:///{path}"
    try:
        store_studies(studies, storage, run.name)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise InputError(f"--storage: expected the URL of a database in reach, but got {storage} ({error})") from None
    return storage


if __name__ == "__main__":
    run_command(main)
