"""Tomogram types: training runs seen in further ones (``wbp``, ``isonetcorrected``, ...), with the same picks.

A run in a further type is a tomogram of its own to a member, called ``RUN@TYPE``. Only training runs are seen so, which
keeps a held-out run from being seen in any type; it is predicted in the main type alone.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from tomograms.dataset import Dataset, open_recorded
from tomograms.errors import InputError
from tomograms.picks import join_truth
from tomograms.tomogram import Tomogram


@dataclass(frozen=True)
class TypedData:
    """A data set in its main tomogram type, and in further ones for training.

    Attributes
    ----------
    main
        The data set.
    further
        The same one in each further type.
    """

    main: Dataset
    further: Mapping[str, Dataset]

    def training(self, runs: Iterable[str]) -> tuple[list[Tomogram], pd.DataFrame]:
        """Read runs in every type.

        Returns
        -------
        tomograms
            Normalised: each run in its main type, then in the further ones.
        picks
            ``experiment, particle_type, x, y, z`` (Å); each type has a copy of its run's.
        """
        tomograms, tables = [], []
        for run in runs:
            for kind, dataset in {"": self.main, **self.further}.items():
                name = f"{run}@{kind}" if kind else run
                tomograms.append(replace(dataset.tomogram(run), name=name))
                tables.append(dataset.picks(run).assign(experiment=name))
        return tomograms, join_truth(tables)

    def fingerprint(self, *, runs: Iterable[str], train: Iterable[str]) -> str:
        """Return a hash of all data: of ``runs`` in the main type, and of those that ``train`` in the others."""
        main = self.main.fingerprint(runs)
        if not self.further:
            return main
        names = list(train)
        parts = [main, *(f"{kind} {dataset.fingerprint(names)}" for kind, dataset in self.further.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def open_types(dataset: Dataset, types: Sequence[str], runs: Iterable[str] = ()) -> TypedData:
    """Return a data set in further tomogram types, too.

    Parameters
    ----------
    dataset
        In the main type.
    types
        Further types.
    runs
        Each of them must have every type.

    Raises
    ------
    InputError
        If a type is the main one or is named twice, or a run lacks it or has one volume for all types.
    """
    record = dataset.record()
    if len({record.tomogram_type, *types}) < 1 + len(types):
        raise InputError(
            f"--extra-tomo-types: expected distinct types other than {record.tomogram_type}, the main one, "
            f"but got {' '.join(types)}"
        )
    further = {kind: open_recorded(replace(record, tomogram_type=kind)) for kind in types}
    for run in sorted(runs):
        own = dataset.source.volume(run).source
        for kind, other in further.items():
            if other.source.volume(run).source == own:  # an MRC file has no type
                raise InputError(f"--extra-tomo-types: expected a volume of its own for {kind}, but got {own} again")
    return TypedData(dataset, further)
