"""Several runs of one recipe with different seeds, averaged: what decisions rest on, for a single run is noise."""

from collections.abc import Mapping, Sequence

from evaluation.run_comparison import ENSEMBLE, Entry, entries, require_alike
from evaluation.run_directory import RunDirectory
from tomograms.errors import InputError


def averaged(runs: Sequence[RunDirectory]) -> dict[str, Entry]:
    """Return what all runs have scored, each with the seeds of all of them; the ensemble last.

    Raises
    ------
    InputError
        If they hold out different runs, have different species, or share no finished member.
    """
    scored = []
    for run in runs:
        require_alike(runs[0], run)
        scored.append(entries(run, fusions=True))
    names = [name for name in scored[0] if all(name in own for own in scored)]
    if not any(name in run.members for name in names for run in runs):
        raise InputError(f"expected a scored member in all of {', '.join(run.name for run in runs)}, but found none")
    names.sort(key=lambda name: name == ENSEMBLE)
    return {
        name: Entry(
            runs[0].particles,
            tuple(counts for own in scored for counts in own[name].seeds),
            tuple(gap for own in scored for gap in own[name].gaps),
        )
        for name in names
    }


def best_member(found: Mapping[str, Entry], members: Sequence[str]) -> str:
    """Return the member with the highest mean nested score (on ties the first by name)."""
    return max(sorted(name for name in found if name in members), key=lambda name: found[name].total)


def wins(entry: Entry, other: Entry) -> str:
    """Return in how many seeds the first scores higher, ``-`` where seeds do not come in pairs."""
    if len(entry.totals) != len(other.totals):
        return "-"
    return f"{sum(a > b for a, b in zip(entry.totals, other.totals, strict=True))} of {len(entry.totals)}"
