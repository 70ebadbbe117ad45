"""Pictures of tomograms with what every member and the ensemble report there."""

import argparse
from collections.abc import Sequence

import pandas as pd

from submissions.inputs import find_run, names_to_predict, open_data
from submissions.prediction.fusion import load_fusion, members_in_use
from submissions.prediction.inference import Inference, Prediction
from submissions.prediction.store import Store
from submissions.report.layers import Layers, judge, load_layers
from submissions.report.panels import write_panels
from tomograms.console import console
from tomograms.dataset import Dataset
from tomograms.errors import InputError


def draw_pictures(arguments: argparse.Namespace) -> None:
    """Do what `submissions.pictures` was asked for."""
    run = find_run(arguments.runs, arguments.run)
    dataset = open_data(run, arguments.data, arguments.mask, arguments.voxel_spacing)
    particles = run.particles
    unknown = sorted(set(arguments.species or ()) - {particle.name for particle in particles})
    if unknown:
        raise InputError(f"--species: expected species of run {run.name}, but got {', '.join(unknown)}")
    held_out = run.record.held_out
    known = dataset.source.names()
    if arguments.tomograms is None:
        names: Sequence[str] = sorted({*held_out, *dataset.runs("test")} & set(known))
    else:
        names = names_to_predict(dataset, run, arguments.tomograms)
    fusion = load_fusion(run, names)
    layers = load_layers(fusion)
    inference = Inference(run, dataset, Store(run.path / "test"), members_in_use(fusion.ensemble, run), "cpu")
    folder = arguments.out or run.path / "pictures"
    for name in names:
        tables = tables_of(name, held_out, layers, inference)
        if tables is None:
            console().print(f"{name}: not predicted yet: {run.command('submissions.make')}", soft_wrap=True)
            continue
        truth = truth_of(dataset, name)
        if arguments.species:
            tables = {key: table[table["particle_type"].isin(arguments.species)] for key, table in tables.items()}
            truth = None if truth is None else truth[truth["particle_type"].isin(arguments.species)]
        marks = {key: judge(truth, table.reset_index(drop=True), particles) for key, table in tables.items()}
        note = "held out: thresholds fitted on the other folds" if name in held_out else "test: out-of-fold thresholds"
        note += ", simulated" if dataset.simulated else ""
        path = folder / f"{name}.png"
        write_panels(path, dataset.tomogram(name), marks, particles=particles, slices=arguments.slices, note=note)
        console().print(str(path), soft_wrap=True)


def tables_of(
    name: str, held_out: Sequence[str], layers: Layers, inference: Inference
) -> dict[str, pd.DataFrame] | None:
    """Return what is reported in a tomogram, by column; ``None`` if nothing has been predicted there."""
    if name in held_out:
        return layers.held_out(name)
    stored = inference.stored(name)
    return layers.test(Prediction(name, stored)) if stored else None


def truth_of(dataset: Dataset, name: str) -> pd.DataFrame | None:
    """Return a tomogram's truth, ``None`` where nobody has picked by hand or several have."""
    try:
        return dataset.picks(name) if dataset.has_picks(name) else None
    except InputError:
        return None
