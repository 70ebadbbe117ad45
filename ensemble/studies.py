"""Optuna's studies in a database, to be looked at with Optuna's own tools."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import optuna
from optuna.study import Study
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from evaluation.run_directory import RunDirectory
from tomograms.errors import InputError
from tomograms.files import replacing


def store(studies: Mapping[str, Study], run: RunDirectory, storage: str | None) -> str:
    """Write the studies to the database, by default ``optuna.db`` in the run, replaced as a whole; return its URL.

    Raises
    ------
    InputError
        If the database cannot be reached.
    """
    if storage is None:
        path = run.path / "optuna.db"
        with replacing(path) as temporary:
            try:
                store_studies(studies, f"sqlite:///{temporary}", run.name)
            except SQLAlchemyError as error:  # nobody else knows the file: its disk is full
                raise OSError(errno.ENOSPC, f"the database cannot be written ({error})", str(path)) from None
        return f"sqlite:///{path}"
    try:
        store_studies(studies, storage, run.name)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise InputError(f"--storage: expected the URL of a database in reach, but got {storage} ({error})") from None
    return storage


def store_studies(studies: Mapping[str, Study], storage: str, prefix: str) -> None:
    """Write studies to a database, replacing those of the same name: ``prefix/NAME``.

    Parameters
    ----------
    studies
        By name.
    storage
        Any database URL that Optuna knows.
    prefix
        The run's name.
    """
    with opened(storage) as database:
        existing = {summary.study_name for summary in optuna.get_all_study_summaries(database)}
        for own, study in studies.items():
            name = f"{prefix}/{own}"
            if name in existing:
                optuna.delete_study(study_name=name, storage=database)
            optuna.create_study(study_name=name, storage=database, direction="maximize").add_trials(study.trials)


@contextmanager
def opened(storage: str) -> Iterator[optuna.storages.RDBStorage]:
    """Open a database of studies; its connections are closed at the end, which Python 3.13 asks for."""
    database = optuna.storages.RDBStorage(storage)
    if database.engine.dialect.name == "sqlite":
        # One write to disk a statement is most of the time; the database can be made again from the run.
        event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        database.remove_session()
        database.engine.dispose()
    try:
        yield database
    finally:
        database.remove_session()
        database.engine.dispose()
