"""``python -m evaluation.runs``: list the runs, compare two in pairs, or average several."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tomograms.errors import InputError, run_command

if TYPE_CHECKING:
    from rich.table import Table

    from evaluation.run_comparison import Entry
    from evaluation.run_directory import RunDirectory


def modified(path: Path) -> int:
    """Return when a run was begun or, once it has ended, when it did (nanoseconds)."""
    return max(
        (file.stat().st_mtime_ns for name in ("run.json", "cv.json") if (file := path / name).exists()), default=0
    )


def find_runs(runs: Path) -> list[RunDirectory]:
    """Return every run in a folder, the most recent one last."""
    from evaluation.run_directory import open_run

    paths = sorted((path.parent for path in runs.glob("*/run.json")), key=lambda path: (modified(path), path))
    return [open_run(path) for path in paths]


def choose_run(runs: Path, name: str | None) -> RunDirectory:
    """Return the run called ``name``; without a name the most recent one.

    Raises
    ------
    InputError
        If there is none.
    """
    from evaluation.run_directory import open_run

    if name is not None:
        return open_run(runs / name)
    found = find_runs(runs)
    if not found:
        raise InputError(f"{runs}: expected a run, but found none; make one: python -m evaluation.cv")
    return found[-1]


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog="python -m evaluation.runs",
        description="Without names, list the runs; with two names, compare the second to the first: paired differences "
        "of nested scores, per particle and per held-out run; with --average, the mean over several "
        "(seeds of one recipe).",
    )
    options.add_argument("names", nargs="*", metavar="RUN", help="two runs on the same tomograms, or more to average")
    options.add_argument(
        "--average",
        action="store_true",
        help="mean and spread over the named runs, and the paired difference of everything to the best member",
    )
    options.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser().parse_args(argv)
    if arguments.average:
        return _average(arguments.runs, arguments.names)
    if len(arguments.names) not in (0, 2):
        raise InputError(f"expected no run, to list all, or two, to compare them, but got {' '.join(arguments.names)}")
    from evaluation.run_comparison import shared
    from tomograms.console import console

    if not arguments.names:
        found = find_runs(arguments.runs)
        console().print(run_table(found) if found else f"no runs in {arguments.runs}")
        return 0
    first, second = (choose_run(arguments.runs, name) for name in arguments.names)
    both = shared(first, second)
    particles = [particle.name for particle in first.particles]
    held_out = sorted(name for fold in first.folds for name in fold.held_out)
    console().print(total_table(both, first.name, second.name))
    console().print(part_table(both, particles, of="particle", title="By particle: nested F4"))
    console().print(part_table(both, held_out, of="held out", title="By held-out run: score"))
    console().print(
        "The interval resamples the held-out runs, paired; it omits training variance and undercovers where runs are "
        "few. With several seeds every figure is the mean over seeds; decide on it, not on a single run.",
        style="dim",
    )
    return 0


def _average(runs: Path, names: Sequence[str]) -> int:
    """Print what several runs give in the mean."""
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"--average: expected two or more different runs, but got {' '.join(names) or 'none'}")
    from evaluation.run_average import average_table, averaged, particle_table, seed_table
    from tomograms.console import console

    chosen = [choose_run(runs, name) for name in names]
    found = averaged(chosen)
    members = [name for run in chosen for name in run.members]
    for table in (average_table(found, members, names), seed_table(found), particle_table(found)):
        console().print(table)
    console().print(
        "Spread: standard deviation over seeds. The interval resamples the held-out runs, paired, and takes the mean "
        "over seeds of each draw; it undercovers where runs are few. Best member: the highest mean, which favours it.",
        style="dim",
    )
    return 0


def run_table(found: Sequence[RunDirectory]) -> Table:
    """Return one row per run: what it was, and its nested scores so far."""
    from evaluation.report import empty_table
    from evaluation.run_comparison import entries

    scored = [entries(run) for run in found]
    names = list(dict.fromkeys(name for own in scored for name in own))
    columns = ("preset", "folds", "seeds", *names, "changed")
    rows = empty_table("Runs, the most recent one last: nested weighted F4", "run", columns)
    for run, own in zip(found, scored, strict=True):
        rows.add_row(
            run.name + (" (simulated)" if run.record.get("simulated") else ""),
            str(run.record.get("preset", "-")),
            str(len(run.folds)),
            str(len(run.seeds)),
            *(f"{own[name].total:.4f}" if name in own else "-" for name in names),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(modified(run.path) / 1e9)),
        )
    return rows


def total_table(both: Mapping[str, tuple[Entry, Entry]], first: str, second: str) -> Table:
    """Return each member's nested scores in both runs and their paired difference."""
    from evaluation.report import empty_table
    from evaluation.run_comparison import difference

    columns = (first, second, "difference", "95 % interval", "seeds")
    rows = empty_table(f"{second} minus {first}: nested weighted F4", "", columns)
    for name, (one, other) in both.items():
        interval = difference(one, other)
        rows.add_row(
            name,
            f"{one.total:.4f}",
            f"{other.total:.4f}",
            f"[bold]{interval.estimate:+.4f}[/bold]",
            f"{interval.low:+.3f} to {interval.high:+.3f}",
            f"{len(one.seeds)} and {len(other.seeds)}",
        )
    return rows


def part_table(both: Mapping[str, tuple[Entry, Entry]], parts: Sequence[str], *, of: str, title: str) -> Table:
    """Return each member's figure in both runs and the difference, a row per particle or held-out run."""
    from evaluation.report import empty_table

    rows = empty_table(title, of, tuple(column for name in both for column in (name, "other", "difference")))
    for part in parts:
        cells = []
        for pair in both.values():
            one, other = (e.of_particle(part) if of == "particle" else e.of_experiment(part) for e in pair)
            cells += [f"{one:.3f}", f"{other:.3f}", f"{other - one:+.3f}"]
        rows.add_row(part, *cells)
    return rows


if __name__ == "__main__":
    run_command(main)
