"""What the commands of this package work on: a finished run, a data set, and its test tomograms."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from evaluation.run_directory import RunDirectory, choose_run, open_run
from tomograms.dataset import Dataset, open_dataset, open_recorded
from tomograms.errors import InputError
from tomograms.masks import NONE
from tomograms.tables import some_of


def find_run(runs: Path, name: str | None) -> RunDirectory:
    """Return the run called ``name``; without a name the one whose ensemble was built last.

    Raises
    ------
    InputError
        If there is none, or no ensemble has been built.
    """
    if name is None:
        built = sorted(runs.glob("*/ensemble.json"), key=lambda path: (path.stat().st_mtime_ns, path))
        if not built:
            raise InputError(f"{runs}: expected a run with an ensemble.json, but found none; python -m ensemble.build")
        return open_run(built[-1].parent)
    run = choose_run(runs, name)
    if not (run.path / "ensemble.json").exists():
        raise InputError(f"{run.path / 'ensemble.json'}: no such file; build it: {run.command('ensemble.build')}")
    return run


def open_data(
    run: RunDirectory, path: Path | None, mask: str | None = None, voxel_spacing: float | None = None
) -> Dataset:
    """Return the data set at ``path``, read as the run's own was and in its voxel size; without a path the run's own.

    Parameters
    ----------
    run, path
        The run, and where other data lie.
    mask
        Where masks lie; by default those of the training on the run's own data, and none on others.
        `tomograms.masks.NONE` stands for none.
    voxel_spacing
        As `tomograms.picks.Choice` has it; by default that of the training.

    Raises
    ------
    InputError
        If it has other species than the run was trained on.
    """
    own = run.record.data
    if voxel_spacing is not None:
        own = replace(own, voxel_spacing=voxel_spacing)
    if path is None or str(path.resolve()) == own.root:
        masks = own.mask if mask is None else mask
        dataset = open_recorded(replace(own, mask=None if masks == NONE else masks))
    else:
        dataset = open_dataset(
            path,
            tomogram_type=own.tomogram_type,
            voxel_spacing=own.voxel_spacing,
            mask=None if mask == NONE else mask,
        )
    names, wanted = ([p.name for p in particles] for particles in (dataset.particles, run.particles))
    if sorted(names) != sorted(wanted):
        raise InputError(
            f"{dataset.root}: expected the species of run {run.name} ({', '.join(wanted)}), but got {', '.join(names)}"
        )
    return replace(dataset, working_voxel_size=run.record.voxel_size)


def names_to_predict(dataset: Dataset, run: RunDirectory, only: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return the sorted names of the tomograms that are to be predicted.

    Those that were asked for; else the test runs of a Kaggle tree, and of other data every run that no model of this
    run was trained on, whether somebody has picked there or not.

    Raises
    ------
    InputError
        If there are none, or one that was asked for is not there.
    """
    known = set(dataset.source.names())
    if only is not None:
        names = set(only)
        unknown = sorted(names - known)
        if unknown:
            raise InputError(
                f"--tomograms: expected tomograms of {dataset.root} ({some_of(known)}), but got {', '.join(unknown)}"
            )
    else:
        names = set(dataset.runs("test")) if dataset.source.has_test_folder else known - set(trained_on(run, known))
    if not names:
        raise InputError(f"{dataset.root}: expected test tomograms, but found none; choose some with --tomograms")
    return tuple(sorted(names))


def trained_on(run: RunDirectory, names: Iterable[str]) -> list[str]:
    """Return those tomograms that some model of the run was trained on: a score there is not honest."""
    return sorted(set(run.record.tomograms) & set(names))
