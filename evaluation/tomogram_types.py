"""Training views: the training runs in further tomogram types (``wbp``, ``isonetcorrected``, ...), with the same picks.

A view is a tomogram of its own to a member, called ``RUN@TYPE``. Only training runs have views, so that a held-out run
is never seen in any type; it is predicted in the main type alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from tomograms.dataset import Dataset, open_recorded
from tomograms.errors import InputError
from tomograms.picks import join_truth
from tomograms.tomogram import Tomogram


def view_names(runs: Iterable[str], types: Sequence[str]) -> tuple[str, ...]:
    """Return the names under which training runs are known: each run's own, then one a further type."""
    return tuple(name for run in runs for name in (run, *(f"{run}@{kind}" for kind in types)))


def open_views(dataset: Dataset, types: Sequence[str], runs: Iterable[str]) -> dict[str, Dataset]:
    """Return the same data set in each further tomogram type.

    Parameters
    ----------
    dataset
        In the main type.
    types
        Further types.
    runs
        Those that train; each must have every type.

    Raises
    ------
    InputError
        If a type is the main one or is named twice, or a run lacks it.
    """
    record = dataset.record()
    main = record["tomogram_type"]
    if len({main, *types}) < 1 + len(types):
        raise InputError(
            f"--extra-tomo-types: expected distinct types other than {main}, the main one, but got {' '.join(types)}"
        )
    views = {kind: open_recorded({**record, "tomogram_type": kind}) for kind in types}
    for run in sorted(runs):
        for view in views.values():
            view.shape(run)
    return views


def load(
    dataset: Dataset, views: Mapping[str, Dataset], *, runs: Iterable[str], train: Iterable[str]
) -> tuple[dict[str, Tomogram], pd.DataFrame]:
    """Read ``runs`` in the main type, and those that ``train`` in every other, too.

    Parameters
    ----------
    dataset, views
        See `open_views`.
    runs, train
        The latter are some or all of the former.

    Returns
    -------
    tomograms
        Normalised, by the names of `view_names`.
    picks
        ``experiment, particle_type, x, y, z`` (Å); each view has a copy of its run's.
    """
    tomograms, tables = {}, []
    trained = set(train)
    for run in runs:
        sources = (dataset, *views.values()) if run in trained else (dataset,)
        for name, source in zip(view_names([run], list(views)[: len(sources) - 1]), sources, strict=True):
            tomograms[name] = replace(source.tomogram(run), name=name)
            tables.append(source.picks(run).assign(experiment=name))
    return tomograms, join_truth(tables)


def fingerprint(dataset: Dataset, views: Mapping[str, Dataset], *, runs: Iterable[str], train: Iterable[str]) -> str:
    """Return a hash of all data of a run: of ``runs`` in the main type and of those that ``train`` in the others."""
    main = dataset.fingerprint(runs)
    if not views:
        return main
    names = list(train)
    parts = [main, *(f"{kind} {view.fingerprint(names)}" for kind, view in views.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
