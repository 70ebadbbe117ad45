"""What `evaluation.runs` shows: tables of the runs, of two in pairs, of several averaged."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from compute.cluster import show_status
from compute.job_records import find_jobs
from evaluation.counts import METRIC
from evaluation.report import empty_table
from evaluation.run_average import averaged, best_member, wins
from evaluation.run_comparison import Entry, difference, entries, shared
from evaluation.run_directory import RunDirectory, choose_run, find_runs, modified
from tomograms.console import console, duration
from tomograms.errors import InputError


def show_runs(runs: Path, names: Sequence[str]) -> None:
    """Print every run of a folder; ``names`` are none."""
    found = find_runs(runs)
    console().print(run_table(found) if found else f"no runs in {runs}")


def show_difference(runs: Path, names: Sequence[str]) -> None:
    """Print the second of two runs against the first."""
    first, second = (choose_run(runs, name) for name in names)
    both = shared(first, second)
    particles = [particle.name for particle in first.particles]
    console().print(total_table(both, first.name, second.name))
    console().print(part_table(both, particles, of="species", title=f"By species: nested {METRIC}"))
    console().print(part_table(both, sorted(first.record.held_out), of="held out", title="By held-out run: score"))
    console().print(
        "The interval resamples the held-out runs, paired; it omits training variance and undercovers where runs are "
        "few. With several seeds every figure is the mean over seeds; decide on it, not on a single run.",
        style="dim",
    )


def show_average(runs: Path, names: Sequence[str]) -> None:
    """Print what several runs give in the mean."""
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


def show_jobs(runs: Path, names: Sequence[str]) -> None:
    """Print the jobs of one run: state, time, machine and failure of each."""
    jobs = (runs / names[0]).resolve() / "jobs"
    found = [show_status(jobs, key) for key in find_jobs(jobs)]
    if not found:
        raise InputError(f"{jobs}: expected jobs, which --on makes, but found none")
    table = empty_table(f"Jobs of {names[0]}", "job", ("state", "time", "number", "node", "failure"))
    for one in found:
        spent = "-" if one.seconds is None else duration(one.seconds)
        table.add_row(one.key, one.state, spent, one.number, one.node or "-", one.reason or "-")
    console().print(table)


def run_table(found: Sequence[RunDirectory]) -> Table:
    """Return one row per run: what it was, and its nested scores so far."""
    scored = [entries(run) for run in found]
    names = list(dict.fromkeys(name for own in scored for name in own))
    columns = ("preset", "folds", "seeds", *names, "changed")
    rows = empty_table(f"Runs, the most recent one last: nested weighted {METRIC}", "run", columns)
    for run, own in zip(found, scored, strict=True):
        rows.add_row(
            run.name + (" (simulated)" if run.record.simulated else ""),
            run.record.preset,
            str(len(run.folds)),
            str(len(run.seeds)),
            *(f"{own[name].total:.4f}" if name in own else "-" for name in names),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(modified(run.path) / 1e9)),
        )
    return rows


def total_table(both: Mapping[str, tuple[Entry, Entry]], first: str, second: str) -> Table:
    """Return each member's nested scores in both runs and their paired difference."""
    columns = (first, second, "difference", "95 % interval", "seeds")
    rows = empty_table(f"{second} minus {first}: nested weighted {METRIC}", "", columns)
    for name, (one, other) in both.items():
        interval = difference(one, other)
        rows.add_row(
            name,
            f"{one.total:.4f}",
            f"{other.total:.4f}",
            Text(f"{interval.estimate:+.4f}", style="bold"),
            f"{interval.low:+.3f} to {interval.high:+.3f}",
            f"{len(one.seeds)} and {len(other.seeds)}",
        )
    return rows


def part_table(both: Mapping[str, tuple[Entry, Entry]], parts: Sequence[str], *, of: str, title: str) -> Table:
    """Return each member's figure in both runs and the difference, a row per species or held-out run."""
    rows = empty_table(title, of, tuple(column for name in both for column in (name, "other", "difference")))
    for part in parts:
        cells = []
        for pair in both.values():
            one, other = (e.of_particle(part) if of == "species" else e.of_experiment(part) for e in pair)
            cells += [f"{one:.3f}", f"{other:.3f}", f"{other - one:+.3f}"]
        rows.add_row(part, *cells)
    return rows


def average_table(found: Mapping[str, Entry], members: Sequence[str], names: Sequence[str]) -> Table:
    """Return mean nested score, spread over seeds, mean gap, and the paired difference to the best member."""
    best = best_member(found, members)
    columns = ("nested", "spread", "seeds", "gap", f"minus {best}", "95 % interval", "higher in")
    rows = empty_table(f"Mean over {', '.join(names)}: nested weighted {METRIC}", "", columns)
    for name, entry in found.items():
        interval = difference(found[best], entry)
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
            Text(f"{entry.total:.4f}", style="bold"),
            f"{np.std(entry.totals, ddof=1):.4f}" if len(entry.totals) > 1 else "-",
            str(len(entry.totals)),
            f"{np.mean(entry.gaps):.4f}" if entry.gaps else "-",
            *paired,
        )
    return rows


def seed_table(found: Mapping[str, Entry]) -> Table:
    """Return every seed's nested score, a row per seed."""
    rows = empty_table(f"Each seed: nested weighted {METRIC}", "seed", tuple(found))
    for number in range(max(len(entry.totals) for entry in found.values())):
        cells = (f"{e.totals[number]:.4f}" if number < len(e.totals) else "-" for e in found.values())
        rows.add_row(str(number + 1), *cells)
    return rows


def particle_table(found: Mapping[str, Entry]) -> Table:
    """Return each species' nested F4, mean over seeds."""
    rows = empty_table(f"By species: nested {METRIC}, mean over seeds", "species", tuple(found))
    for particle in next(iter(found.values())).particles:
        rows.add_row(particle.name, *(f"{entry.of_particle(particle.name):.3f}" for entry in found.values()))
    return rows
