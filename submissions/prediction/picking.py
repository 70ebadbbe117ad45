"""Picks from the shipped weights, from beginning to end: tomograms predicted, what is sure enough written and drawn."""

import argparse
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from compute.cluster_options import parse_cluster
from compute.devices import find_devices
from compute.lock import held
from evaluation.run_directory import RunDirectory
from models.initial import SHIPPED as FOLDER
from submissions.export.formats import Exports
from submissions.export.spool import Spool
from submissions.export.submission import check_written
from submissions.prediction.budget import Budget, ladder
from submissions.prediction.final import SHIPPED
from submissions.prediction.fusion import fusion_on, load_fusion, members_in_use, parse_thresholds
from submissions.prediction.inference import Inference
from submissions.prediction.shards import gather
from submissions.prediction.shipped import shipped_run
from submissions.prediction.store import Store
from submissions.prediction.submit import check_masks, say
from submissions.report.layers import judge
from submissions.report.material import gather_material, shown
from submissions.report.panels import write_panels
from submissions.report.presence import LEVEL
from submissions.report.writing import write_report
from tomograms.console import counted
from tomograms.dataset import Dataset, open_dataset
from tomograms.errors import SOME_FAILED, InputError
from tomograms.masks import NONE
from tomograms.program import command_line
from tomograms.tables import some_of

SLICES = 3


def pick(arguments: argparse.Namespace) -> int:
    """Do what `submissions.pick` was asked for; return the exit code.

    Raises
    ------
    InputError
        If the data are faulty, hold no species that the weights know, or picks must not be overwritten.
    """
    run = shipped_run(arguments.weights)
    dataset = open_dataset(
        arguments.data,
        tomogram_type=arguments.tomo_type,
        voxel_spacing=arguments.voxel_spacing,
        working_voxel_size=run.record.voxel_size,
        mask=None if arguments.mask == NONE else arguments.mask,
    )
    names = choose_tomograms(dataset, arguments.tomograms)
    check_masks(dataset, run, names)
    wanted = choose_species(dataset, run, arguments.species)
    known = [particle.name for particle in run.particles]
    levels = {} if arguments.for_f4 else dict.fromkeys(known, LEVEL)
    levels |= parse_thresholds(arguments.threshold, run.particles)
    levels |= {name: math.inf for name in known if name not in wanted}
    with held(arguments.out):
        return _pick(arguments, run, dataset, names, wanted, levels)


def choose_tomograms(dataset: Dataset, only: Sequence[str] | None) -> tuple[str, ...]:
    """Return the sorted names of the tomograms to pick: those that were asked for, or all.

    Raises
    ------
    InputError
        If there are none, or one that was asked for is not there.
    """
    there = dataset.source.names()
    if only is not None:
        unknown = sorted(set(only) - set(there))
        if unknown:
            raise InputError(
                f"--tomograms: expected tomograms of {dataset.root} ({some_of(there)}), but got {', '.join(unknown)}"
            )
        return tuple(sorted(set(only)))
    names = tuple(name for name in there if dataset.has_tomogram(name))
    if not names:
        raise InputError(f"{dataset.root}: expected tomograms, but found none of this type and voxel spacing")
    return names


def choose_species(dataset: Dataset, run: RunDirectory, only: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the species to report, sorted: those that were asked for, or that the data are about.

    Raises
    ------
    InputError
        If the weights know none of them, or not one that was asked for.
    """
    known = [particle.name for particle in run.particles]
    asked = [particle.name for particle in dataset.particles] if only is None else list(dict.fromkeys(only))
    unknown = [name for name in asked if name not in known]
    source = f"{dataset.root}" if only is None else "--species"
    if len(unknown) == len(asked) or (unknown and only is not None):
        raise InputError(
            f"{source}: expected species that the shipped weights know ({', '.join(known)}), but got "
            f"{', '.join(unknown) or 'none'}; for others, train on your own picks: python -m evaluation.cv"
        )
    if unknown:
        say(f"not picked, because the shipped weights do not know them: {', '.join(unknown)}")
    return tuple(sorted(set(asked) - set(unknown)))


def _pick(
    arguments: argparse.Namespace,
    run: RunDirectory,
    dataset: Dataset,
    names: tuple[str, ...],
    species: tuple[str, ...],
    levels: dict[str, float],
) -> int:
    """Predict, write and draw in a folder that nobody else works in."""
    folder: Path = arguments.out
    formats = arguments.to or ["csv", "star", *(["copick"] if dataset.root.suffix == ".json" else [])]
    exports = Exports(formats, run, dataset, arguments.user, arguments.session, arguments.overwrite, species=species)
    exports.provenance = replace(exports.provenance, run=f"{run.name}, {calibrated(run)}")
    exports.check(names, folder)
    members = members_in_use(load_fusion(run, ()).ensemble, run)
    number = counted(len(names), "tomogram")
    say(f"{number} of {dataset.root}, members {', '.join(members)}; looking for {', '.join(species)}")
    say(f"scores are probabilities, {calibrated(run)}: on yours they may be worth less")
    cluster = parse_cluster(arguments)
    devices = find_devices(arguments.device) if cluster is None else arguments.device
    store = Store(folder / "candidates")
    inference = Inference(run, dataset, store, members, devices[0], SHIPPED)
    budget = Budget(None, ladder(members), len(names), len(devices), time.monotonic)
    path = folder / "submission.csv"
    gathered = gather(
        cluster,
        inference,
        names,
        thresholds=levels,
        judge=False,
        devices=devices,
        budget=budget,
        path=path,
        say=say,
    )
    with gathered as collected:
        if not collected.picks.names:
            raise InputError(f"no tomogram could be predicted; the first: {collected.failures[0]}")
        check_written(path, particles=run.particles, extents=collected.extents)
        counts = sum((Counter(table["particle_type"]) for table in collected.picks.tables()), Counter[str]())
        told = ", ".join(f"{counts[name]} {name}" for name in species)
        how = "for F4" if arguments.for_f4 else f"from probability {LEVEL:g} on"
        say(f"found, {how}: {told}; --threshold SPECIES=P gives more or fewer, and the report tells how many")
        say(f"written: {path}; {'; '.join(exports.write(folder, collected.picks, collected.extents))}")
        draw(folder / "pictures", dataset, run, collected.picks, count=arguments.pictures, how=how)
        store.write_failures(asdict(failure) for failure in collected.failures)
    fusion = fusion_on(dataset, run, shown(names), levels)
    material = gather_material(fusion, store=store, names=names, dataset=dataset, command=again(arguments))
    say(f"to look at: {write_report(material, folder)}")
    return SOME_FAILED if collected.failures else 0


def again(arguments: argparse.Namespace) -> str:
    """Return the command that picks the same tomograms again, without what decides which candidates are reported."""
    options = {
        "--out": arguments.out,
        "--weights": None if arguments.weights == FOLDER else arguments.weights,
        "--mask": arguments.mask,
        "--voxel-spacing": arguments.voxel_spacing,
        "--tomo-type": None if arguments.tomo_type == "denoised" else arguments.tomo_type,
        "--tomograms": arguments.tomograms,
        "--species": arguments.species,
    }
    return command_line("submissions.pick", arguments.data, options=options.items())


def calibrated(run: RunDirectory) -> str:
    """Return in words on what the scores were calibrated."""
    return f"calibrated on {'simulated' if run.record.simulated else 'other'} tomograms"


def draw(folder: Path, dataset: Dataset, run: RunDirectory, picks: Spool, *, count: int, how: str) -> None:
    """Draw the first tomograms with their picks, one PNG each; ``how`` says which are reported."""
    drawn = picks.names[:count]
    for name in drawn:
        marks = {"picks": judge(None, picks.read(name), run.particles)}
        note = f"{how}; probabilities {calibrated(run)}"
        tomogram = dataset.tomogram(name)
        write_panels(folder / f"{name}.png", tomogram, marks, particles=run.particles, slices=SLICES, note=note)
    if drawn:
        say(f"{counted(len(drawn), 'picture')} in {folder}")
