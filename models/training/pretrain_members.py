"""Pre-training of members, on tomograms simulated as they are needed or on a given simulated data set."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from compute.cluster import run_jobs
from compute.cluster_options import Cluster, parse_cluster
from compute.cores import usable_cores
from compute.devices import resolve_device
from models.initial import find_initial
from models.registry import MEMBERS, get_member
from models.settings import check_owners, resolve_settings, to_record
from models.training.pretraining import Example, Plan, Source, pretrain
from tomograms.console import Progress, console
from tomograms.dataset import open_dataset
from tomograms.errors import SOME_FAILED, InputError
from tomograms.files import read_json, sha256, write_json
from tomograms.particles import CZII, Particle
from tomograms.phantom import PHANTOM_SEED
from tomograms.simulator.library import built_in_species, mixed_species, varied_species
from tomograms.simulator.maps import read_others, read_species
from tomograms.simulator.settings import CZII_LIKE, REFERENCE_VOXEL_SIZE, TRAINING
from tomograms.simulator.stream import stream_tomograms
from tomograms.simulator.structures import built_in
from tomograms.versions import commit, versions

SHAPE = (72, 160, 160)
VALIDATION_SHAPE = (72, 192, 192)
VALIDATION_SEED = 77
VALIDATION_RUNS = 2
STEPS = 20_000
MANY_CORES = 8
"""Beside a GPU, from which on they simulate. Six cores made 0.7 tomograms a second beside another pre-training: as many
as an H200 that had to learn as well."""


def pretrain_members(options: argparse.Namespace) -> int:
    """Pre-train every member that `models.pretrain` was asked for; return the exit code.

    Raises
    ------
    InputError
        If an option is out of its range, or a training was begun with others.
    """
    members = options.members or list(MEMBERS)
    if options.steps is not None and options.steps < 1:
        raise InputError(f"--steps: expected at least 1, but got {options.steps}")
    if options.minutes is not None and not options.minutes > 0:
        raise InputError(f"--minutes: expected a time above 0, but got {options.minutes}")
    if options.seed in (VALIDATION_SEED, PHANTOM_SEED):
        raise InputError(
            f"--seed: expected a seed that is not the validation's or the phantom's, but got {options.seed}"
        )
    if options.data is not None and (options.maps is not None or options.others is not None):
        raise InputError("--maps, --others: expected without --data, whose tomograms show what they show")
    if options.others is not None and options.maps is None:
        raise InputError("--others: expected together with --maps, the densities of the species themselves")
    check_owners(members, options.overrides)
    cluster = parse_cluster(options)
    if cluster is not None:
        return _on_cluster(cluster, members, options)
    for member in members:
        _pretrain(member, options)
    return 0


def _on_cluster(cluster: Cluster, members: Sequence[str], options: argparse.Namespace) -> int:
    """Have each member pre-trained by a job of its own."""
    left = run_jobs(
        cluster,
        partial(pretrain_one, options=options, registry=dict(MEMBERS)),
        options.out,
        members,
        finished=lambda member: (options.out / member / "weights.safetensors").exists(),
        told=lambda status: console().print(f"{status.key}: {status.state}", soft_wrap=True),
        name="cryoet-pretrain",
    )
    for status in left:
        console().print(f"not finished: {status}; the same command goes on with it", soft_wrap=True)
    return SOME_FAILED if left else 0


def pretrain_one(folder: Path, member: str, *, options: argparse.Namespace, registry: Mapping[str, str]) -> None:
    """Pre-train one member into ``folder``; this is what a job does."""
    MEMBERS.update(registry)
    _pretrain(member, argparse.Namespace(**{**vars(options), "out": folder}))


def _pretrain(member: str, options: argparse.Namespace) -> None:

    directory = options.out / member
    settings = replace(resolve_settings(member, options.preset, options.overrides), init=options.init)
    request = {
        "member": member,
        "data": None if options.data is None else str(options.data.resolve()),
        "maps": _contents(options.maps),
        "others": _contents(options.others),
        "seed": options.seed,
        "steps": None if options.minutes else options.steps or STEPS,
        "minutes": options.minutes,
        "settings": to_record(settings),
    }
    _refuse_change(directory / "request.json", request)
    if (directory / "weights.safetensors").exists():
        console().print(f"{directory}: done before")
        return
    device = resolve_device(options.device)
    source, validation, particles, about = _simulated(options, device) if options.data is None else _given(options.data)
    learner = get_member(member).learner(particles=particles, settings=settings, seed=options.seed, device=str(device))
    plan = Plan(steps=request["steps"] or 0, minutes=request["minutes"] or 0.0, renew=learner.renew)
    with Progress() as progress:
        task = progress.task(f"pre-training {member}", total=plan.steps or 1000)
        pretrain(
            learner,
            source,
            validation,
            plan,
            seed=options.seed,
            directory=directory,
            card={**request, **about, **_circumstances(device), "started_from": _earlier(member, options.init)},
            advance=task.update,
        )
        task.finish()


def _contents(folder: Path | None) -> dict[str, str] | None:
    """Return what identifies a folder of densities wherever it lies: its files and their SHA-256."""
    if folder is None:
        return None
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of maps")
    return {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}


def _refuse_change(path: Path, request: dict[str, Any]) -> None:
    """Keep what was asked for; refuse to go on with a training that was begun with something else."""
    if path.exists():
        old = read_json(path)
        for name, value in request.items():
            if old.get(name) != value:
                raise InputError(
                    f"{path}: the pre-training was begun with {name} = {old.get(name)}, but is now asked for with "
                    f"{value}; give it another folder (--out), or delete this one"
                )
    else:
        write_json(path, request)


def _earlier(member: str, init: str) -> dict[str, Any] | None:
    """Return what the card of the weights that the training starts from says of theirs; None without a card."""
    path = find_initial(member, init)
    card = None if path is None else path.with_name("card.json")
    if card is None or not card.is_file():
        return None
    told = read_json(card)
    return {name: told.get(name) for name in ("date", "commit", "device", "data", "seed", "steps", "started_from")}


def _circumstances(device: torch.device) -> dict[str, Any]:
    """Return what the card says about when, where and with what the training ran."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return {
        "device": where,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "commit": commit(),
    }


def _simulated(
    options: argparse.Namespace, device: torch.device
) -> tuple[Source, list[Example], tuple[Particle, ...], dict[str, Any]]:
    """Return where training tomograms come from, the validation's, the species, and words for the card."""
    unseen = replace(CZII_LIKE, crowding=(4.0, 4.0))
    known = built_in_species(CZII, REFERENCE_VOXEL_SIZE)
    varied = partial(varied_species, CZII, REFERENCE_VOXEL_SIZE)
    if options.maps is not None:
        known = read_species(options.maps, CZII, REFERENCE_VOXEL_SIZE)
        others = () if options.others is None else read_others(options.others, REFERENCE_VOXEL_SIZE)
        varied = partial(mixed_species, CZII, REFERENCE_VOXEL_SIZE, measured=known, others=others)
    # the validation's are the same beside every device
    stream = stream_tomograms(unseen, VALIDATION_SEED, VALIDATION_SHAPE, species=lambda rng: known)
    cores = usable_cores()
    ahead = cores - 1 if device.type == "cuda" and cores >= MANY_CORES else 0  # a CPU that learns has none to spare
    where = "cpu" if ahead else str(device)

    def source(start: int) -> Iterator[Example]:
        return stream_tomograms(
            TRAINING, options.seed, SHAPE, species=varied, start=start, device=where, processes=ahead
        )

    doubt = {particle.name: built_in(particle.name).doubt for particle in CZII}
    about = {"simulator": asdict(TRAINING), "doubt": doubt, "shape": SHAPE}
    return source, list(islice(stream, VALIDATION_RUNS)), CZII, about


def _given(data: Path) -> tuple[Source, list[Example], tuple[Particle, ...], dict[str, Any]]:
    """Return the same as `_simulated`, for a data set."""
    dataset = open_dataset(data)
    runs = [run for run in dataset.runs("train") if dataset.has_picks(run)]
    if len(runs) <= VALIDATION_RUNS:
        raise InputError(f"{data}: expected more than {VALIDATION_RUNS} runs with picks, but got {len(runs)}")
    training, held_out = runs[:-VALIDATION_RUNS], runs[-VALIDATION_RUNS:]

    def example(run: str) -> Example:
        return dataset.tomogram(run), dataset.picks(run)

    def source(start: int) -> Iterator[Example]:
        while True:
            yield example(training[start % len(training)])
            start += 1

    about = {"training_runs": training, "validation_runs": held_out}
    return source, [example(run) for run in held_out], dataset.particles, about
