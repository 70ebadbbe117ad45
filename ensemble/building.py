"""An ensemble from a finished cross-validation: tuned, compared, written and reported."""

import argparse
from collections.abc import Sequence

import pandas as pd

from compute.lock import held
from ensemble.add import keep_added, parse_additions, read_added
from ensemble.baselines import BASELINES
from ensemble.comparison import compare
from ensemble.ensemble import FILE
from ensemble.records import check_replay, gather, to_record
from ensemble.report import report
from ensemble.studies import store
from ensemble.tuning import Tuning
from evaluation.run_directory import RunDirectory, choose_run
from postproc.candidates import concatenate
from tomograms.console import Progress, console
from tomograms.coordinates import Extent
from tomograms.dataset import open_recorded
from tomograms.errors import InputError
from tomograms.files import write_json
from tomograms.pick_checks import doubtful_units


def build_ensemble(arguments: argparse.Namespace) -> int:
    """Do what `ensemble.build` was asked for."""
    run = choose_run(arguments.runs, arguments.run)
    with held(run.path):
        return _build(arguments, run)


def _build(arguments: argparse.Namespace, run: RunDirectory) -> int:
    """Build in a run that nobody else works in."""
    files = parse_additions(arguments.add, [*run.members, *BASELINES])
    members = chosen(arguments.members, [*run.members, *files])
    extents = known_extents(run) if files else {}
    tables = {
        name: read_added(path, member=name, particles=run.particles, held_out=run.record.held_out, extents=extents)
        for name, path in files.items()
    }
    for name, table in tables.items():
        line = doubtful_units(table, extents, f"the candidates of {name}")
        if line:
            console().print(line, soft_wrap=True)
        keep_added(run, name, within_masks(run, table))
    candidates = gather(run, tables)
    candidates = candidates[candidates["member"].isin(members)].reset_index(drop=True)
    console().print(f"run {run.name}: {', '.join(members)}; {len(run.folds)} folds, {len(candidates)} candidates")
    tuning = Tuning(arguments.trials, arguments.seed)
    with Progress() as progress:
        task = progress.task("tuning without each fold, then on all", total=len(run.folds) + 1)
        comparison, studies = compare(
            run.truth(),
            candidates,
            particles=run.particles,
            folds=run.folds,
            tuning=tuning,
            fitted=lambda: task.update(task.done + 1),
        )
        task.finish()
    record = to_record(comparison, run, tuning=tuning, added=[name for name in tables if name in members])
    check_replay(run, record)
    write_json(run.path / FILE, record)
    console().print(report(comparison, simulated=run.record.simulated, voxel_size=run.record.voxel_size))
    where = store(studies, run, arguments.storage)
    console().print(
        f"written: {run.path / FILE} (replays both scores exactly), studies in {where}\n"
        f"next: {run.command('submissions.make')}\n"
        f"to look at: {run.command('submissions.report')}",
    )
    return 0


def chosen(asked: Sequence[str] | None, there: Sequence[str]) -> list[str]:
    """Return the members that are fused: those asked for, by default all.

    Raises
    ------
    InputError
        If one of them is not there.
    """
    unknown = [name for name in asked or () if name not in there]
    if unknown:
        raise InputError(f"--members: expected some of {', '.join(there)}, but got {unknown[0]!r}")
    return [name for name in there if not asked or name in asked]


def within_masks(run: RunDirectory, table: pd.DataFrame) -> pd.DataFrame:
    """Return candidates without those outside the masks that the run was trained inside; test tomograms keep all.

    Raises
    ------
    InputError
        If the run has masks and they, or its data, are not at hand.
    """
    if run.record.mask_hash is None:
        return table
    own = table["experiment"].isin(run.record.tomograms)
    return concatenate([open_recorded(run.record.data).within_masks(table[own]), table[~own]])


def known_extents(run: RunDirectory) -> dict[str, Extent]:
    """Return the extents of all tomograms of the run's data; none where the data are not at hand."""
    try:
        dataset = open_recorded(run.record.data)
    except InputError:
        return {}
    return dataset.known_extents(dataset.source.names())
