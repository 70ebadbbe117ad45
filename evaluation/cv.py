"""``python -m evaluation.cv``: train every fold and member, predict the held-out tomograms, report honestly."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.initial import PRETRAINED, SCRATCH
from tomograms.errors import InputError, run_command

if TYPE_CHECKING:
    from evaluation.jobs import Job
    from evaluation.run_directory import RunDirectory
    from tomograms.dataset import Dataset

DEFAULT_MEMBERS = ("unet", "yolo")
DEFAULT_SEED = 8620


def parser() -> argparse.ArgumentParser:
    """Return the command's options; what is not given is taken from the run, if it exists, or from the defaults."""
    options = argparse.ArgumentParser(
        prog="python -m evaluation.cv",
        description="Cross-validate: train each member on each fold, predict the held-out tomogram, report the nested "
        "score. A run that was cut off goes on where it stood.",
    )
    options.add_argument("--data", type=Path, help="Kaggle tree or copick config (default: the simulated phantom)")
    options.add_argument("--run", help="name of the run, a folder under runs/ (default: DATA-PRESET)")
    options.add_argument("--members", nargs="+", help="default: " + " ".join(DEFAULT_MEMBERS))
    options.add_argument(
        "--preset",
        choices=("demo", "short", "full"),
        help="recipe: minutes on two cores (demo, the "
        "default), about four minutes a fold and member (short), or a GPU's (full)",
    )
    options.add_argument(
        "--set",
        dest="overrides",
        action="append",
        metavar="MEMBER.NAME=VALUE",
        help="change a value of the preset, e.g. unet.steps=300; may be repeated",
    )
    options.add_argument(
        "--init",
        metavar="pretrained|scratch|PATH",
        help="what members start from: the shipped weights (default), nothing, or a folder of models.pretrain; "
        "short for --set MEMBER.init=...",
    )
    options.add_argument(
        "--seeds", nargs="+", type=int, help=f"train each fold once per seed (default: {DEFAULT_SEED})"
    )
    options.add_argument("--fold-file", type=Path, help="folds as YAML (default: the built-in cv_folds.yaml)")
    options.add_argument("--folds", nargs="+", metavar="RUN", help="only the folds that hold out these runs")
    options.add_argument("--tomo-type", help="tomogram type (default: denoised)")
    options.add_argument(
        "--extra-tomo-types",
        nargs="+",
        metavar="TYPE",
        help="further tomogram types of the training runs, e.g. wbp isonetcorrected: each is one more training "
        "tomogram with the same picks; held-out runs are predicted in the main type",
    )
    options.add_argument("--user", help="whose picks are the truth, where several have picked (copick)")
    options.add_argument("--session", help="which of their sessions (copick)")
    options.add_argument("--voxel-spacing", type=float, help="Å, where there are several (copick)")
    options.add_argument(
        "--device",
        nargs="+",
        default=["auto"],
        help="auto, cpu or cuda[:N]; each that is named trains one fold at a time (default: auto: every GPU, or the "
        "CPU twice, with half of its threads each)",
    )
    options.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser().parse_args(argv)
    run, dataset = prepare(arguments)
    jobs = jobs_of(run)
    work_off(jobs, run, dataset, arguments.device)
    from evaluation.summary import summarise

    summarise(run, jobs, simulated=dataset.simulated)
    return 0


def prepare(arguments: argparse.Namespace) -> tuple[RunDirectory, Dataset]:
    """Return the run, made or found, and its data.

    Raises
    ------
    InputError
        If the data or folds are faulty, or the run exists and was asked for with other settings or data.
    """
    from evaluation.run_directory import create_run, open_run

    name = arguments.run or default_name(arguments)
    if not name or "/" in name or name.startswith("."):
        raise InputError(f"--run: expected a plain folder name, but got {name!r}")
    path = arguments.runs / name
    old = open_run(path).record if (path / "run.json").exists() else None
    dataset = _open(arguments, old)
    record = describe(arguments, dataset, old)
    if old is not None:
        refuse_change(old, record, path / "run.json")
        return open_run(path), dataset
    from tomograms.picks import join_truth

    held_out = [run for fold in record["folds"] for run in fold["held_out"]]
    return create_run(path, record, join_truth([dataset.picks(run) for run in held_out])), dataset


def default_name(arguments: argparse.Namespace) -> str:
    """Return ``DATA-PRESET``, ``phantom`` for the built-in data."""
    data = "phantom" if arguments.data is None else arguments.data.resolve().stem
    return f"{data}-{arguments.preset or 'demo'}"


def describe(arguments: argparse.Namespace, dataset: Dataset, old: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the content of ``run.json`` for what was asked; what was not asked is as in ``old``."""
    from evaluation.folds import Fold, load_folds
    from evaluation.run_directory import folds_to_records, to_records
    from evaluation.tomogram_types import fingerprint, open_views
    from models.settings import check_owners, resolve_settings, to_record
    from tomograms.versions import commit, versions

    if old is not None and arguments.fold_file is None and arguments.folds is None:
        folds: tuple[Fold, ...] = tuple(Fold(tuple(f["held_out"]), tuple(f["train"])) for f in old["folds"])
    else:
        folds = load_folds(dataset.runs("train"), arguments.fold_file)
        if arguments.folds is not None:
            folds = _only(folds, arguments.folds)
    members = arguments.members or (list(old["members"]) if old else list(DEFAULT_MEMBERS))
    if len(set(members)) < len(members):
        raise InputError(f"--members: expected distinct names, but got {' '.join(members)}")
    preset = arguments.preset or (old["preset"] if old else "demo")
    overrides = arguments.overrides if arguments.overrides is not None else (old["overrides"] if old else [])
    check_owners(members, overrides)
    if arguments.init is not None:
        overrides = [*overrides, *(f"{member}.init={_absolute(arguments.init)}" for member in members)]
    seeds = arguments.seeds or (list(old["seeds"]) if old else [DEFAULT_SEED])
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InputError(f"--seeds: expected distinct numbers from 0, but got {' '.join(map(str, seeds))}")
    runs = sorted({run for fold in folds for run in (*fold.held_out, *fold.train)})
    train = sorted({run for fold in folds for run in fold.train})
    extra = arguments.extra_tomo_types or (list(old.get("extra_tomogram_types", [])) if old else [])
    return {
        "data": dataset.record(),
        "extra_tomogram_types": extra,
        "data_hash": fingerprint(dataset, open_views(dataset, extra, train), runs=runs, train=train),
        "simulated": dataset.simulated,
        "voxel_size": dataset.voxel_size(runs[0]) if runs else None,
        "particles": to_records(dataset.particles),
        "folds": folds_to_records(folds),
        "preset": preset,
        "overrides": list(overrides),
        "members": {member: to_record(resolve_settings(member, preset, overrides)) for member in members},
        "seeds": seeds,
        "versions": versions(),
        "commit": commit(),
    }


def refuse_change(old: Mapping[str, Any], new: Mapping[str, Any], source: Path) -> None:
    """Refuse to go on with a run under other conditions than it was begun with.

    Raises
    ------
    InputError
        Naming the first difference.
    """
    old = {"extra_tomogram_types": [], **old}  # runs that were begun before there were any
    for key in ("data", "extra_tomogram_types", "data_hash", "particles", "folds", "seeds", "members"):
        was, now = old[key], new[key]
        if key == "members" and list(was) == list(now):
            for member in was:
                for name in sorted(set(was[member]) | set(now[member])):
                    if was[member].get(name) != now[member].get(name):
                        key, was, now = f"{member}.{name}", was[member].get(name), now[member].get(name)
                        break
                else:
                    continue
                break
        if was != now:
            shown = [text if len(text := str(value)) < 120 else text[:117] + "..." for value in (was, now)]
            raise InputError(
                f"{source}: the run was begun with {key} = {shown[0]}, but is now asked for with {shown[1]}; "
                "give the run another name (--run), or delete its folder"
            )


def jobs_of(run: RunDirectory) -> list[Job]:
    """Return the run's jobs: member by member, so that a first member is complete early, then fold by fold."""
    from evaluation.jobs import Job
    from models.settings import from_record

    return [
        Job(
            fold,
            member,
            from_record(member, settings),
            seed,
            run.particles,
            run.job(fold, member, seed),
            run.extra_types,
        )
        for member, settings in run.record["members"].items()
        for seed in run.seeds
        for fold in run.folds
    ]


def work_off(jobs: Sequence[Job], run: RunDirectory, dataset: Dataset, asked: Sequence[str]) -> None:
    """Do every job that has not been done, on the devices that were asked for."""
    from compute.precision import resolve_device
    from evaluation.workers import find_devices, train_all
    from tomograms.console import Progress, Task, console

    open_jobs = [job for job in jobs if not job.finished]
    console().print(
        f"run {run.name}: {len(jobs)} trainings, {len(jobs) - len(open_jobs)} of them done; results in {run.path}"
    )
    if run.extra_types:
        own = run.record["data"]["tomogram_type"]
        console().print(
            f"training tomograms in the types {', '.join((own, *run.extra_types))}; predicted and scored in {own} only"
        )
    if not open_jobs:
        return
    devices = find_devices(asked)
    for device in devices:
        resolve_device(device)
    tasks: dict[Path, Task] = {}
    with Progress() as progress:
        whole = progress.task("all trainings", total=len(jobs), done=len(jobs) - len(open_jobs))

        def advance(job: Job, done: int, total: int, note: str) -> None:
            if job.directory not in tasks:
                tasks[job.directory] = progress.task(f"{job.fold.name} {job.member} seed {job.seed}", total=total)
            tasks[job.directory].update(done, total, note)

        before = len(jobs) - len(open_jobs)
        for done, job in enumerate(train_all(open_jobs, run, dataset, devices=devices, advance=advance), start=1):
            tasks[job.directory].finish()
            whole.update(before + done)
        whole.finish()


def _open(arguments: argparse.Namespace, old: Mapping[str, Any] | None) -> Dataset:
    from tomograms.dataset import open_dataset

    was: Mapping[str, Any] = old["data"] if old else {}
    root = arguments.data if arguments.data is not None else (Path(was["root"]) if was.get("root") else None)
    return open_dataset(
        root,
        tomogram_type=arguments.tomo_type or was.get("tomogram_type", "denoised"),
        user=arguments.user or was.get("user"),
        session=arguments.session or was.get("session"),
        voxel_spacing=arguments.voxel_spacing or was.get("voxel_spacing"),
    )


def _absolute(init: str) -> str:
    """Return the word, or the path from everywhere: a run may be gone on with in another folder."""
    return init if init in (PRETRAINED, SCRATCH) else str(Path(init).resolve())


def _only(folds: Sequence[Any], names: Sequence[str]) -> tuple[Any, ...]:
    unknown = sorted(set(names) - {run for fold in folds for run in fold.held_out})
    if unknown:
        raise InputError(f"--folds: expected runs that a fold holds out, but got {' '.join(unknown)}")
    chosen = tuple(fold for fold in folds if set(names) & set(fold.held_out))
    if len(chosen) < 2:
        raise InputError(f"--folds: expected two folds, one to fit thresholds on and one to score, but got {names[0]}")
    return chosen


if __name__ == "__main__":
    run_command(main)
