"""What a new run's data are looked at for, and what is said of them, before its first training."""

from collections.abc import Sequence

import pandas as pd

from tomograms.appearance import Appearance, appearance
from tomograms.console import Progress, console
from tomograms.dataset import Dataset
from tomograms.pick_checks import doubtful_units
from tomograms.tables import some_of


def say_doubts(dataset: Dataset, picks: pd.DataFrame) -> None:
    """Say where picks seem to be in another unit than Å."""
    line = doubtful_units(picks, dataset.extents(sorted(set(picks["experiment"]))), "the picks")
    if line:
        console().print(line, soft_wrap=True)


def say_masks(dataset: Dataset, runs: Sequence[str]) -> None:
    """Say where masks come from, how much they leave, and how many picks outside are no truth."""
    if dataset.masks is None:
        return
    shares = [100 * float(dataset.masks.read(run).mean()) for run in runs]
    dropped = {run: count for run in runs if (count := dataset.outside_mask(run))}
    console().print(
        f"masks of {dataset.masks.name} hold {min(shares):.2g} to {max(shares):.2g} % of a tomogram; "
        f"picks outside, which are no truth: {some_of(f'{n} in {run}' for run, n in dropped.items()) or 'none'}",
        soft_wrap=True,
    )


def look_at(dataset: Dataset, names: Sequence[str]) -> dict[str, Appearance]:
    """Read every tomogram once, so that a damaged one is known at the start; return what each looks like."""
    found = {}
    with Progress() as progress:
        task = progress.task("reading tomograms", total=len(names))
        for done, name in enumerate(names, start=1):
            found[name] = appearance(dataset.tomogram(name))
            task.update(done)
        task.finish()
    return found
