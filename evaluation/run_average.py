"""Several runs of one recipe with different seeds, averaged: what decisions rest on, for a single run is noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.intervals import Interval
from evaluation.run_comparison import ENSEMBLE, Entry, difference, entries, require_alike
from evaluation.run_directory import RunDirectory
from tomograms.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table


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


def average_table(found: Mapping[str, Entry], members: Sequence[str], names: Sequence[str]) -> Table:
    """Return mean nested score, spread over seeds, mean gap, and the paired difference to the best member."""
    from evaluation.report import empty_table

    best = best_member(found, members)
    columns = ("nested", "spread", "seeds", "gap", f"minus {best}", "95 % interval", "higher in")
    rows = empty_table(f"Mean over {', '.join(names)}: nested weighted F4", "", columns)
    for name, entry in found.items():
        interval: Interval = difference(found[best], entry)
        paired = (
            ("best member", "", "")
            if name == best
            else (
                f"{interval.estimate:+.4f}",
                f"{interval.low:+.3f} to {interval.high:+.3f}",
                wins(entry, found[best]),
            )
        )
        rows.add_row(
            name,
            f"[bold]{entry.total:.4f}[/bold]",
            f"{np.std(entry.totals, ddof=1):.4f}" if len(entry.totals) > 1 else "-",
            str(len(entry.totals)),
            f"{np.mean(entry.gaps):.4f}" if entry.gaps else "-",
            *paired,
        )
    return rows


def seed_table(found: Mapping[str, Entry]) -> Table:
    """Return every seed's nested score, a row per seed."""
    from evaluation.report import empty_table

    rows = empty_table("Each seed: nested weighted F4", "seed", tuple(found))
    for number in range(max(len(entry.totals) for entry in found.values())):
        cells = (f"{e.totals[number]:.4f}" if number < len(e.totals) else "-" for e in found.values())
        rows.add_row(str(number + 1), *cells)
    return rows


def particle_table(found: Mapping[str, Entry]) -> Table:
    """Return each species' nested F4, mean over seeds."""
    from evaluation.report import empty_table

    rows = empty_table("By particle: nested F4, mean over seeds", "particle", tuple(found))
    for particle in next(iter(found.values())).particles:
        rows.add_row(particle.name, *(f"{entry.of_particle(particle.name):.3f}" for entry in found.values()))
    return rows
