"""Where a data set lies and how it is laid out, whatever the kind."""

from pathlib import Path
from typing import Protocol

from tomograms.errors import InputError
from tomograms.kaggle_tree import KaggleTree, is_tree
from tomograms.mrc_names import SUFFIXES, find_files
from tomograms.names import check_names
from tomograms.particles import Particle
from tomograms.picks import Choice, PickSet
from tomograms.volume import Volume


class Source(Protocol):
    """Where a data set lies and how it is laid out: a Kaggle tree, a copick project or a folder of MRC files."""

    @property
    def root(self) -> Path:
        """The folder, or the config file."""

    @property
    def particles(self) -> tuple[Particle, ...]:
        """Every species."""

    @property
    def simulated(self) -> bool:
        """Whether its tomograms were simulated by this project."""

    @property
    def has_test_folder(self) -> bool:
        """Whether a folder tells which runs are to be predicted; otherwise they are those without picks."""

    def names(self) -> tuple[str, ...]:
        """Return the sorted names of all runs; no picks are read for it."""

    def runs(self, split: str) -> tuple[str, ...]:
        """Return the sorted names of the runs of ``train`` or ``test``."""

    def volume(self, run: str) -> Volume:
        """Return a run's volume, found but not read."""

    def segmentations(self, run: str, name: str) -> list[Volume]:
        """Return a run's segmentations of a name, found but not read; none of data that have no such thing."""

    def pick_sets(self, run: str) -> list[PickSet]:
        """Return everybody's pick sets of a run; `tomograms.picks.Choice.among` tells which are meant."""


def open_source(path: Path, choice: Choice, picks: Path | None = None) -> Source:
    """Return what lies at a path: a folder, or else a copick config.

    Parameters
    ----------
    path
        Of it.
    choice
        Which of several tomograms and pick sets are meant.
    picks
        Where those of a folder of MRC files lie, if that is not in it.

    Raises
    ------
    InputError
        If it is none of the kinds that are known, or two at a time, or a run has a name that `check_names` refuses, or
        it holds picks of its own.
    """
    if path.is_dir():
        return _open_folder(path, choice, picks)
    if path.name.lower().endswith(SUFFIXES):
        raise InputError(f"{path}: expected a folder of MRC files, but got one of them; name its folder")
    from tomograms.copick_project import open_project  # each kind is imported where it is used: copick takes a second

    _refuse_picks(path, picks)
    project = open_project(path, choice)
    check_names(path, project.names())
    return project


def _open_folder(path: Path, choice: Choice, picks: Path | None) -> Source:
    """Return a folder as the one source that it can be."""
    tree, files = is_tree(path), find_files(path)
    if tree == bool(files):
        raise InputError(
            f"{path}: expected a folder with train/static/ExperimentRuns or with MRC files ({', '.join(SUFFIXES)}), "
            f"but found {'both' if tree else 'none'}"
        )
    if tree:
        _refuse_picks(path, picks)
        kaggle = KaggleTree(path, choice)
        check_names(path, kaggle.names())
        return kaggle
    from tomograms.mrc_folder import open_mrc_folder

    folder = open_mrc_folder(path, choice, picks)
    check_names(path, folder.files)
    return folder


def _refuse_picks(path: Path, picks: Path | None) -> None:
    """Refuse picks from elsewhere for data that hold their own."""
    if picks is not None:
        raise InputError(
            f"--picks: expected a folder of MRC files as data, but {path} is a Kaggle tree or a copick config, which "
            "hold their own"
        )
