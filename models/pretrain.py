"""``python -m models.pretrain``: weights for members to start from, learned on simulated tomograms."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomograms.errors import InputError, run_command
from tomograms.particles import CZII, Particle

if TYPE_CHECKING:
    import torch

    from models.training.pretraining import Example, Source

SHAPE = (72, 160, 160)
VALIDATION_SHAPE = (72, 192, 192)
VALIDATION_SEED = 77
VALIDATION_RUNS = 2
STEPS = 20_000


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog="python -m models.pretrain",
        description="Train members on simulated tomograms that are made as they are needed, or on a given simulated "
        "data set, and write weights that evaluation.cv --init starts from. A training that was cut off goes on.",
    )
    options.add_argument("--members", nargs="+", help="default: every one")
    length = options.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="optimiser steps (default: 20000)")
    length.add_argument("--minutes", type=float, help="time for each member, instead of a number of steps")
    options.add_argument("--data", type=Path, help="Kaggle tree or copick config of simulated runs, instead of ours")
    options.add_argument("--preset", choices=("demo", "short", "full"), default="short", help="default: short")
    options.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="MEMBER.NAME=VALUE", help="may be repeated"
    )
    options.add_argument(
        "--init",
        default="scratch",
        metavar="scratch|pretrained|PATH",
        help="what to start from: nothing (default), the shipped weights, or a folder of an earlier pre-training",
    )
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--device", default="auto", help="auto, cpu or cuda[:N] (default: auto)")
    options.add_argument("--out", type=Path, default=Path("pretrained"), help="folder to write (default: pretrained)")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = parser().parse_args(argv)
    from models.registry import MEMBERS
    from tomograms.phantom import PHANTOM_SEED

    members = options.members or list(MEMBERS)
    if options.steps is not None and options.steps < 1:
        raise InputError(f"--steps: expected at least 1, but got {options.steps}")
    if options.minutes is not None and not options.minutes > 0:
        raise InputError(f"--minutes: expected a time above 0, but got {options.minutes}")
    if options.seed in (VALIDATION_SEED, PHANTOM_SEED):
        raise InputError(
            f"--seed: expected a seed that is not the validation's or the phantom's, but got {options.seed}"
        )
    from models.settings import check_owners

    check_owners(members, options.overrides)
    for member in members:
        _pretrain(member, options)


def _pretrain(member: str, options: argparse.Namespace) -> None:
    from dataclasses import replace

    from compute.precision import resolve_device
    from models.registry import get_member
    from models.settings import resolve_settings, to_record
    from models.training.pretraining import Plan, pretrain
    from tomograms.console import Progress, console

    directory = options.out / member
    settings = replace(resolve_settings(member, options.preset, options.overrides), init=options.init)
    request = {
        "member": member,
        "data": None if options.data is None else str(options.data.resolve()),
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
    source, validation, particles, about = (
        _simulated(options.seed, str(device)) if options.data is None else _given(options.data)
    )
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


def _refuse_change(path: Path, request: dict[str, Any]) -> None:
    """Keep what was asked for; refuse to go on with a training that was begun with something else."""
    from tomograms.files import read_json, write_json

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
    from models.initial import find_initial
    from tomograms.files import read_json

    path = find_initial(member, init)
    card = None if path is None else path.with_name("card.json")
    if card is None or not card.is_file():
        return None
    told = read_json(card)
    return {name: told.get(name) for name in ("date", "commit", "device", "data", "seed", "steps", "started_from")}


def _circumstances(device: torch.device) -> dict[str, Any]:
    """Return what the card says about when, where and with what the training ran."""
    from datetime import UTC, datetime

    import torch

    from tomograms.versions import commit, versions

    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return {
        "device": where,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "commit": commit(),
    }


def _simulated(seed: int, device: str) -> tuple[Source, list[Example], tuple[Particle, ...], dict[str, Any]]:
    """Return where training tomograms come from, the validation's, the species, and words for the card."""
    from dataclasses import asdict, replace
    from functools import partial
    from itertools import islice

    from tomograms.simulator.library import built_in_species, varied_species
    from tomograms.simulator.settings import CZII_LIKE, REFERENCE_VOXEL_SIZE, TRAINING
    from tomograms.simulator.stream import stream_tomograms
    from tomograms.simulator.structures import built_in

    unseen = replace(CZII_LIKE, crowding=(4.0, 4.0))
    known = built_in_species(CZII, REFERENCE_VOXEL_SIZE)
    stream = stream_tomograms(unseen, VALIDATION_SEED, VALIDATION_SHAPE, species=lambda rng: known, device=device)

    def source(start: int) -> Iterator[Example]:
        varied = partial(varied_species, CZII, REFERENCE_VOXEL_SIZE)
        return stream_tomograms(TRAINING, seed, SHAPE, species=varied, start=start, device=device)

    doubt = {particle.name: built_in(particle.name).doubt for particle in CZII}
    about = {"simulator": asdict(TRAINING), "doubt": doubt, "shape": SHAPE}
    return source, list(islice(stream, VALIDATION_RUNS)), CZII, about


def _given(data: Path) -> tuple[Source, list[Example], tuple[Particle, ...], dict[str, Any]]:
    """Return the same as `_simulated`, for a data set."""
    from tomograms.dataset import open_dataset

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


if __name__ == "__main__":
    run_command(main)
