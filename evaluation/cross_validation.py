"""A cross-validation from beginning to end: the run made or found, its trainings done, its report printed."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from compute.cluster_options import parse_cluster
from compute.cores import usable_cores
from compute.devices import find_devices
from compute.lock import held
from evaluation.cluster_trainings import train_on_cluster
from evaluation.folds import WHOSE, Fold, load_folds
from evaluation.forecast import Forecast
from evaluation.inspection import brought, look_at, say_doubts, say_masks, whose_picks
from evaluation.jobs import Job, jobs_of
from evaluation.options import DEFAULT_MEMBERS, DEFAULT_SEED, LARGEST_SEED
from evaluation.run_directory import RunDirectory, create_run, open_run
from evaluation.run_record import RunRecord, changed_versions, refuse_change
from evaluation.summary import summarise
from evaluation.tomogram_types import open_types
from evaluation.trainings import CPU_PROCESSES, require_room, train_all
from models.initial import PRETRAINED, SCRATCH
from models.registry import get_member
from models.settings import check_owners, resolve_settings, to_record
from models.weights import check_weights
from tomograms.console import Progress, Task, console, counted
from tomograms.dataset import Dataset, open_dataset
from tomograms.errors import SOME_FAILED, InputError
from tomograms.masks import NONE
from tomograms.options import chosen
from tomograms.picks import NEAR, join_truth
from tomograms.versions import commit, versions


def cross_validate(arguments: argparse.Namespace) -> int:
    """Do what `evaluation.cv` was asked for."""
    cluster = parse_cluster(arguments)
    run, dataset = prepare(arguments)
    with held(run.path):
        jobs = jobs_of(run)
        if cluster is None:
            train_open(jobs, run, dataset, arguments.device)
        elif not train_on_cluster(jobs, run, cluster, arguments.device):
            return SOME_FAILED
        summarise(run, jobs, simulated=dataset.simulated)
    return 0


def prepare(arguments: argparse.Namespace) -> tuple[RunDirectory, Dataset]:
    """Return the run, made or found, and its data.

    Raises
    ------
    InputError
        If the data or folds are faulty, or the run exists and was asked for with other settings or data.
    """
    name = arguments.run or default_name(arguments)
    if not name or "/" in name or name.startswith(".") or not name.isprintable():
        raise InputError(f"--run: expected a plain folder name of printable characters, but got {name!r}")
    path = arguments.runs / name
    old = open_run(path).record if (path / "run.json").exists() else None
    dataset = _open(arguments, old)
    record = describe(arguments, dataset, old)
    if old is not None:
        refuse_change(old, record, path / "run.json")
        changed = changed_versions(old, record)
        if changed:
            console().print(f"run {name} was begun with other versions: {', '.join(changed)}", soft_wrap=True)
        moved = replace(old, data=record.data)  # it may lie elsewhere by now, or on another machine
        check_start(RunDirectory(path, moved), dataset, arguments.device)
        if moved != old:
            moved.write(path / "run.json")
        return open_run(path), dataset
    check_start(RunDirectory(path, record), dataset, arguments.device)
    for line in (*whose_picks(dataset, record.tomograms), *brought(dataset, record.tomograms, "the run")):
        console().print(line, soft_wrap=True)
    picks = {run: dataset.picks(run) for run in record.tomograms}
    say_doubts(dataset, join_truth(list(picks.values())))
    for fold in record.folds:
        if not any(len(picks[run]) for run in fold.train):
            raise InputError(
                f"{dataset.root}: expected picks in a run that trains while {fold.name} is held out, but "
                f"{', '.join(fold.train)} have none{'' if dataset.masks is None else ' inside their masks'}"
            )
    say_masks(dataset, record.tomograms)
    record = replace(record, appearances=look_at(dataset, record.tomograms))
    return create_run(path, record, join_truth([picks[run] for run in record.held_out])), dataset


def default_name(arguments: argparse.Namespace) -> str:
    """Return ``DATA-PRESET``, ``phantom`` for the built-in data."""
    data = "phantom" if arguments.data is None else arguments.data.resolve().stem
    return f"{data}-{arguments.preset or 'demo'}"


def describe(arguments: argparse.Namespace, dataset: Dataset, old: RunRecord | None) -> RunRecord:
    """Return the record of what was asked for; what was not asked is as in ``old``."""
    if old is not None and arguments.fold_file is None and arguments.folds is None:
        folds = old.folds
    else:
        annotated = dataset.runs("train")
        if not annotated:
            raise InputError(f"{dataset.root}: expected annotated runs, but found none ({WHOSE})")
        folds = load_folds(annotated, arguments.fold_file)
        if arguments.folds is not None:
            folds = _only(folds, arguments.folds)
    members = arguments.members or (list(old.members) if old else list(DEFAULT_MEMBERS))
    if len(set(members)) < len(members):
        raise InputError(f"--members: expected distinct names, but got {' '.join(members)}")
    preset = arguments.preset or (old.preset if old else "demo")
    overrides = list(arguments.overrides if arguments.overrides is not None else (old.overrides if old else ()))
    check_owners(members, overrides)
    if arguments.init is not None:
        overrides += [f"{member}.init={_absolute(arguments.init)}" for member in members]
    seeds = tuple(arguments.seeds or (old.seeds if old else (DEFAULT_SEED,)))
    if len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) > LARGEST_SEED:
        shown = " ".join(map(str, seeds))
        raise InputError(f"--seeds: expected distinct numbers from 0 to {LARGEST_SEED}, but got {shown}")
    if not any(particle.weight for particle in dataset.particles):
        raise InputError(
            f"{dataset.root}: expected a species with a weight above 0 in the score, but every weight is 0"
        )
    train = {run for fold in folds for run in fold.train}
    runs = sorted(train.union(*(fold.held_out for fold in folds)))
    types = tuple(arguments.extra_tomo_types or (old.extra_tomogram_types if old else ()))
    data = open_types(dataset, types, train)
    if dataset.masks is not None:
        dataset.masks.check(runs)
    voxel_size = common_voxel_size(dataset, runs)
    return RunRecord(
        dataset.record(),
        data.fingerprint(runs=runs, train=sorted(train)),
        dataset.particles,
        folds,
        {member: to_record(resolve_settings(member, preset, overrides)) for member in members},
        seeds,
        types,
        dataset.simulated,
        voxel_size,
        preset,
        tuple(overrides),
        versions(),
        commit(),
        mask_hash=None if dataset.masks is None else dataset.masks.fingerprint(runs),
    )


def common_voxel_size(dataset: Dataset, runs: Sequence[str]) -> float:
    """Return the voxel size of all runs, Å.

    Raises
    ------
    InputError
        If two differ by more than 1 % and none was asked for.
    """
    if dataset.working_voxel_size is not None:
        return dataset.working_voxel_size
    first, *others = runs
    size = dataset.voxel_size(first)
    for other in others:
        if abs(dataset.voxel_size(other) / size - 1) > NEAR:
            raise InputError(
                f"{dataset.root}: expected tomograms of one voxel size, but {first} has {size:g} Å and {other} "
                f"{dataset.voxel_size(other):g} Å; --voxel-size brings all of them to one"
            )
    return size


def check_start(run: RunDirectory, dataset: Dataset, asked: Sequence[str]) -> None:
    """Refuse what the trainings that are left could not begin with, or end: weights, devices, room on the disk."""
    left = [job for job in jobs_of(run) if not job.finished]
    for member, settings in {job.member: job.settings for job in left}.items():
        initial = get_member(member).initial(settings)
        if initial is not None:
            check_weights(initial)
    if left:
        devices = find_devices(asked, cpu_processes=min(CPU_PROCESSES, usable_cores()))
        types = run.record.extra_tomogram_types
        require_room(left, dataset, types, folder=run.path, at_a_time=len(devices))


def train_open(jobs: Sequence[Job], run: RunDirectory, dataset: Dataset, asked: Sequence[str]) -> None:
    """Do every job that has not been done, on the devices that were asked for."""
    left = [job for job in jobs if not job.finished]
    before = len(jobs) - len(left)
    console().print(f"run {run.name}: {counted(len(jobs), 'training')}, {before} of them done; results in {run.path}")
    types = run.record.extra_tomogram_types
    if types:
        own = run.record.data.tomogram_type
        console().print(
            f"training tomograms in the types {', '.join((own, *types))}; predicted and scored in {own} only"
        )
    if not left:
        return
    console().print("how long they take on this machine is told after each member's first steps")
    devices = find_devices(
        asked, cpu_processes=min(CPU_PROCESSES, usable_cores()), say=partial(console().print, soft_wrap=True)
    )
    tasks: dict[Path, Task] = {}
    forecast = Forecast([job.member for job in left], processes=len(devices), say=console().print)
    with Progress() as progress:
        whole = progress.task("all trainings", total=len(jobs), done=before)

        def advance(job: Job, done: int, total: int, note: str) -> None:
            if job.directory not in tasks:
                tasks[job.directory] = progress.task(f"{job.fold.name} {job.member} seed {job.seed}", total=total)
            tasks[job.directory].update(done, total, note)
            forecast.told(job.member, str(job.directory), done, total)

        trained = train_all(left, dataset.record(), types, devices=devices, advance=advance)
        for done, job in enumerate(trained, start=1):
            tasks[job.directory].finish()
            whole.update(before + done)
        whole.finish()


def _open(arguments: argparse.Namespace, old: RunRecord | None) -> Dataset:
    root, choice = arguments.data, {}
    if old is not None:
        root = root or (None if old.data.root is None else Path(old.data.root))
        choice = {name: value for name, value in asdict(old.data).items() if name != "root"}
    given = {"working_voxel_size": arguments.voxel_size, "mask": arguments.mask}
    if arguments.voxel_size is not None and not 0 < arguments.voxel_size < math.inf:
        raise InputError(f"--voxel-size: expected a positive number of Å, but got {arguments.voxel_size:g}")
    options = {**choice, **chosen(arguments), **{name: value for name, value in given.items() if value}}
    if options.get("mask") == NONE:
        del options["mask"]
    return open_dataset(root, **options)


def _absolute(init: str) -> str:
    """Return the word, or the path from everywhere: a run may be gone on with in another folder."""
    return init if init in (PRETRAINED, SCRATCH) else str(Path(init).resolve())


def _only(folds: Sequence[Fold], names: Sequence[str]) -> tuple[Fold, ...]:
    unknown = sorted(set(names) - {run for fold in folds for run in fold.held_out})
    if unknown:
        raise InputError(f"--folds: expected runs that a fold holds out, but got {' '.join(unknown)}")
    chosen = tuple(fold for fold in folds if set(names) & set(fold.held_out))
    if len(chosen) < 2:
        raise InputError(f"--folds: expected two folds, one to fit thresholds on and one to score, but got {names[0]}")
    return chosen
