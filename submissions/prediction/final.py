"""Which models predict new tomograms: fold models, averaged, a final one trained on all runs, or shipped ones.

Fold models come at no further cost, and each is one of those that thresholds were fitted to. A final model has seen
every annotated run, which is worth most where there are few; but no run is left on which its scores could be compared
with out-of-fold ones, so its thresholds are a transfer in good faith: they were fitted to models that saw fewer runs.
"""

from collections.abc import Sequence
from pathlib import Path

from evaluation.run_directory import RunDirectory
from evaluation.tomogram_types import open_types
from evaluation.trainings import training_space
from models.member import Advance, Training
from models.registry import get_member
from models.settings import from_record
from tomograms.dataset import open_recorded
from tomograms.disk import require_space
from tomograms.errors import InputError

FOLDS, ALL, SHIPPED = "folds", "all", "shipped"
MEANING = (
    "final models trained on all runs: no annotated run is left to compare their scores with out-of-fold ones; the "
    "thresholds, fitted to models that saw fewer runs, are used as they are"
)


def model_folders(run: RunDirectory, member: str, final: str = FOLDS) -> dict[str, Path]:
    """Return the folders of the models that predict, by name.

    These are ``folds/HELD_OUT/MEMBER-SEED``, ``final/MEMBER-SEED``, or ``MEMBER`` in a folder of shipped weights.
    """
    if final == SHIPPED:
        return {f"{SHIPPED}/{member}": run.path / member}
    on_all = [run.path / "final" / f"{member}-{seed}" for seed in run.seeds]
    folders = on_all if final == ALL else run.jobs(member)
    return {f"{folder.parent.name}/{folder.name}": folder for folder in folders}


def untrained(run: RunDirectory, member: str) -> dict[int, Path]:
    """Return the folders of the member's final models that have not been trained, by seed."""
    folders = model_folders(run, member, ALL).values()
    pairs = zip(run.seeds, folders, strict=True)
    return {seed: folder for seed, folder in pairs if not (folder / "weights.safetensors").exists()}


def require_room(run: RunDirectory, members: Sequence[str]) -> None:
    """Refuse final models for whose files the disk has no room.

    Raises
    ------
    InputError
        With what is needed and what is free.
    """
    record, dataset = run.record, open_recorded(run.record.data)
    size = 0.0
    for member in members:
        settings, left = from_record(member, record.members[member]), untrained(run, member)
        if left:
            need = training_space(member, settings, dataset, record.tomograms, record.extra_tomogram_types)
            size += len(left) * need.kept + need.passing
    require_space(run.path, size, "final models")


def train_final(run: RunDirectory, member: str, seed: int, *, folder: Path, device: str, advance: Advance) -> None:
    """Train a member on every run of the cross-validation, with the same settings and tomogram types.

    Parameters
    ----------
    run, member, seed
        What is trained.
    folder
        Where it goes; an interrupted training is taken up there.
    device
        ``auto``, ``cpu`` or ``cuda[:N]``.
    advance
        Told of progress.

    Raises
    ------
    InputError
        If the run's data are no longer what they were.
    """
    record = run.record
    dataset = open_recorded(record.data)
    names = record.tomograms
    data = open_types(dataset, record.extra_tomogram_types, names)
    if data.fingerprint(runs=names, train=record.train) != record.data_hash:
        raise InputError(f"{dataset.root}: expected the data that run {run.name} was trained on, but they have changed")
    tomograms, picks = data.training(names)
    settings = from_record(member, record.members[member])
    training = Training(tomograms, picks, None, run.particles, settings, seed, folder, device)
    get_member(member).fit(training, advance)
