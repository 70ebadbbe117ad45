"""What data are looked at for, and what is said of them, before folds are written and before the first training."""

from collections.abc import Iterable, Sequence

import pandas as pd

from tomograms.appearance import Appearance, appearance, bright_ones
from tomograms.console import Progress, console
from tomograms.dataset import Dataset
from tomograms.errors import InputError
from tomograms.pick_checks import doubtful_units, repeated
from tomograms.picks import join_truth
from tomograms.tables import some_of


def find_annotated(dataset: Dataset) -> list[str]:
    """Return the runs that folds are made of, which have picks and a tomogram; say what of the others, and of picks."""
    runs: list[str] = []
    empty: list[str] = []
    for run in dataset.runs("train"):
        if dataset.has_picks(run):
            (runs if dataset.has_tomogram(run) else empty).append(run)
    for line in whose_picks(dataset, (*dataset.runs("train"), *dataset.runs("test"))):
        _say(line)
    if empty:
        _say(f"left out, because they have picks but no tomogram of this type: {', '.join(empty)}")
    sure = dataset.known_extents(runs)  # where several tomograms leave the choice open, evaluation.cv tells
    say_doubts(dataset, join_truth([dataset.picks(run) for run in sure]))
    return runs


def whose_picks(dataset: Dataset, runs: Iterable[str]) -> list[str]:
    """Return sentences: whose picks are truth, where several have picked, and whose are passed over as a program's.

    Also which tables beside MRC files this project has written itself: they count, for somebody may have corrected
    them.
    """
    truth: dict[str, set[str]] = {}
    exported: set[str] = set()
    programs: dict[str, list[str]] = {}
    for run in runs:
        sets = dataset.source.pick_sets(run)
        chosen = {(s.user, s.session) for s in dataset.choice.among(sets)}
        exported |= {s.source for s in dataset.choice.among(sets) if s.exported}
        for user, _ in chosen:
            truth.setdefault(user or "-", set()).add(run)
        for user, session in sorted({(s.user, s.session) for s in sets if s.program} - chosen):
            programs.setdefault(f"{user or '-'}/{session or '-'}", []).append(run)
    several = some_of(f"{user} in {some_of(names)}" for user, names in truth.items()) if len(truth) > 1 else ""
    counted = [f"picks of several users count as truth (choose one with --user): {several}"] if several else []
    if exported:
        counted.append(
            f"picks that this project has found itself count as truth: {some_of(exported)}; are they corrected?"
        )
    return counted + [
        "a program's picks are no truth unless --user names them; passed over (user/session): "
        f"{whose} in {some_of(names)}"
        for whose, names in sorted(programs.items())
    ]


def brought(dataset: Dataset, runs: Iterable[str], whose: str) -> list[str]:
    """Return a sentence for each voxel size of tomograms that are brought to the working one; ``whose`` that is."""
    found: dict[float, list[str]] = {}
    for run in runs:
        try:
            if dataset.factor(run) != 1:
                found.setdefault(round(dataset.voxel_size(run), 3), []).append(run)
        except InputError:  # told where it is read
            continue
    return [
        f"voxel size {size:g} Å is brought to that of {whose}, {dataset.working_voxel_size:g} Å: {some_of(names)}"
        for size, names in found.items()
    ]


def say_doubts(dataset: Dataset, picks: pd.DataFrame) -> None:
    """Say where picks seem to be in another unit than Å, or stand twice."""
    units = doubtful_units(picks, dataset.extents(sorted(set(picks["experiment"]))), "the picks")
    for line in filter(None, (units, repeated(picks))):
        _say(line)


def say_masks(dataset: Dataset, runs: Sequence[str]) -> None:
    """Say where masks come from, how much they leave, and how many picks outside are no truth."""
    if dataset.masks is None:
        return
    shares = [100 * float(dataset.masks.read(run).mean()) for run in runs]
    dropped = {run: count for run in runs if (count := dataset.outside_mask(run))}
    _say(
        f"masks of {dataset.masks.name} hold {min(shares):.2g} to {max(shares):.2g} % of a tomogram; "
        f"picks outside, which are no truth: {some_of(f'{n} in {run}' for run, n in dropped.items()) or 'none'}"
    )


def look_at(dataset: Dataset, names: Sequence[str]) -> dict[str, Appearance]:
    """Read every tomogram once, so that a damaged one is known at the start; return what each looks like.

    It is said where contrast is inverted: a network that learns from both kinds finds neither well.
    """
    found = {}
    with Progress() as progress:
        task = progress.task("reading tomograms", total=len(names))
        for done, name in enumerate(names, start=1):
            found[name] = appearance(dataset.tomogram(name))
            task.update(done)
        task.finish()
    inverted = bright_ones(found)
    if inverted:
        _say(inverted)
    return found


def _say(line: str) -> None:
    """Print a line as it is."""
    console().print(line, soft_wrap=True)
