"""An ensemble for weights that are used as they are: fitted to simulated tomograms, judged on unseen ones.

The tomograms are a mixture (`tomograms.simulator.mixtures`): a score is worth less where a species may be absent. Every
figure that is printed comes from tomograms that the ensemble behind it was not fitted to.
"""

import argparse
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from compute.devices import find_devices
from compute.lock import held
from ensemble.abundance import KEY, Abundance, fit_abundance
from ensemble.cut_tuning import fit_cut
from ensemble.ensemble import FILE, Ensemble
from ensemble.fitting import fit_ensemble
from ensemble.tuning import Tuning
from evaluation.cross_validation import common_voxel_size
from evaluation.folds import group_folds
from evaluation.inspection import look_at
from evaluation.run_directory import RunDirectory
from evaluation.run_record import RunRecord
from postproc.candidates import concatenate
from submissions.prediction.budget import Budget, ladder
from submissions.prediction.final import SHIPPED, model_folders
from submissions.prediction.inference import Inference
from submissions.prediction.shipped import Weights, find_weights
from submissions.prediction.store import Store, weights_key
from submissions.prediction.workers import predict_all
from submissions.report.presence import Judged, presence_table
from tomograms.console import Progress, console
from tomograms.dataset import Dataset, open_dataset
from tomograms.errors import InputError
from tomograms.files import read_json, replacing, write_json
from tomograms.kaggle_tree import SIMULATED
from tomograms.particles import CZII
from tomograms.picks import join_truth
from tomograms.simulator.library import built_in_species
from tomograms.simulator.mixtures import mixed_settings
from tomograms.simulator.settings import REFERENCE_VOXEL_SIZE
from tomograms.simulator.writing import write_tree
from tomograms.versions import commit, versions

GROUPS = 6
"""Parts of the tomograms, of which each is judged by an ensemble that was fitted to the others."""


def calibrate(arguments: argparse.Namespace) -> None:
    """Do what `submissions.calibrate` was asked for.

    Raises
    ------
    InputError
        If weights or data are missing or damaged, or a tomogram cannot be predicted.
    """
    weights = find_weights(arguments.weights, arguments.members)
    with held(arguments.work):
        dataset = open_dataset(arguments.data or _simulated(arguments))
        run = _run(weights, dataset, arguments.work / "run")
        names = run.record.tomograms
        truth = join_truth([dataset.picks(name) for name in names])
        candidates = _predict(run, dataset, Store(arguments.work / "candidates"), find_devices(arguments.device))
        held_out = []
        with Progress() as progress:
            task = progress.task("fitting without each part, then to all", total=len(run.folds) + 1)
            for done, fold in enumerate(run.folds, start=1):
                train, own = (
                    [table[table["experiment"].isin(side)] for table in (truth, candidates)]
                    for side in (fold.train, fold.held_out)
                )
                ensemble, abundance = _fit(run, *train)
                fused = abundance(ensemble.apply(own[1]))
                held_out.append(Judged.of(own[0], fused, run.particles, fold.held_out))
                task.update(done)
            ensemble, abundance = _fit(run, truth, candidates)
            task.finish()
        judged = Judged.join(held_out)
        _write(arguments.weights, run, ensemble, abundance, judged, about=_about(dataset))
    console().print(presence_table(judged))
    console().print(f"written: {arguments.weights / FILE}, with run.json beside it", soft_wrap=True)


def _simulated(arguments: argparse.Namespace) -> Path:
    """Return the folder of the simulated tomograms, which are made if they are not there."""
    shape, seed = tuple(arguments.shape), arguments.seed
    root: Path = arguments.work / f"simulated-{seed}-{arguments.tomograms}-{'x'.join(map(str, shape))}"
    if not (root / SIMULATED).exists():
        shutil.rmtree(root, ignore_errors=True)  # what was cut off
        write_tree(
            root,
            partial(mixed_settings, seed=seed, particles=CZII),
            seed,
            shape,
            runs={"train": [f"SIM_{number + 1}" for number in range(arguments.tomograms)]},
            species=built_in_species(CZII, REFERENCE_VOXEL_SIZE),
            device=find_devices(arguments.device)[0],
        )
    return root


def _run(weights: Weights, dataset: Dataset, folder: Path) -> RunDirectory:
    """Return the weights, copied, as a run whose tomograms are those of the data, in parts."""
    there = dataset.source.names()
    names = [name for name in there if dataset.has_tomogram(name) and dataset.has_picks(name)]
    if sorted(p.name for p in dataset.particles) != sorted(p.name for p in weights.particles):
        raise InputError(f"{dataset.root}: expected the species {', '.join(p.name for p in weights.particles)}")
    record = RunRecord(
        dataset.record(),
        dataset.fingerprint(names),
        weights.particles,
        group_folds(names, min(GROUPS, len(names))),
        weights.members,
        (0,),
        simulated=dataset.simulated,
        voxel_size=common_voxel_size(dataset, names),
        preset=SHIPPED,
        versions=versions(),
        commit=commit(),
        appearances=look_at(dataset, names),
    )
    for member in weights.members:
        with replacing(folder / member / "weights.safetensors") as temporary:
            shutil.copyfile(weights.path / member / "weights.safetensors", temporary)
    record.write(folder / "run.json")
    return RunDirectory(folder, record)


def _predict(run: RunDirectory, dataset: Dataset, store: Store, devices: Sequence[str]) -> pd.DataFrame:
    """Return every member's candidates in all tomograms."""
    names, tables = run.record.tomograms, []
    inference = Inference(run, dataset, store, run.members, devices[0], SHIPPED)
    budget = Budget(None, ladder(run.members), len(names), len(devices), time.monotonic)
    with Progress() as progress:
        task = progress.task("predicting", total=len(names))
        for prediction in predict_all(inference, names, budget=budget, devices=devices):
            for failure in prediction.failures:
                raise InputError(str(failure))
            tables.append(prediction.candidates)
            task.update(len(tables), note=prediction.experiment)
        task.finish()
    return concatenate(tables)


def _fit(run: RunDirectory, truth: pd.DataFrame, candidates: pd.DataFrame) -> tuple[Ensemble, Abundance]:
    """Return the ensemble, and what follows from how frequent a species is, after which it cuts."""
    ensemble = fit_ensemble(truth, candidates, particles=run.particles, members=run.members, tuning=Tuning())
    fused = ensemble.apply(candidates)
    abundance = fit_abundance(truth, fused, run.particles)
    changed = abundance(fused)
    rules = {p.name: replace(ensemble.rules[p.name], cut=fit_cut(truth, changed, p)[0]) for p in run.particles}
    return replace(ensemble, rules=rules), abundance


def _about(dataset: Dataset) -> dict[str, Any]:
    """Return what is known of how the tomograms were simulated; nothing of others."""
    path = dataset.root / SIMULATED
    return dict(read_json(path)) if path.exists() else {}


def _write(
    folder: Path,
    run: RunDirectory,
    ensemble: Ensemble,
    abundance: Abundance,
    judged: Judged,
    *,
    about: Mapping[str, Any],
) -> None:
    """Write ``run.json`` and ``ensemble.json`` beside the weights."""
    # Where the data lay is nobody's business elsewhere.
    record = replace(run.record, data=replace(run.record.data, root="calibration"))
    record.write(folder / "run.json")
    content = {
        "simulated": record.simulated,
        "ensemble": ensemble.to_record(),
        KEY: abundance.to_record(),
        "weights": {member: _digest(run, member) for member in run.members},
        "tomograms": {"number": len(record.tomograms), "simulator": dict(about)},
        "held_out": judged.rows(),
        "versions": record.versions,
        "commit": record.commit,
    }
    write_json(folder / FILE, content)


def _digest(run: RunDirectory, member: str) -> str:
    """Return the SHA-256 of a member's weights."""
    (digest,) = weights_key(model_folders(run, member, SHIPPED)).values()
    return digest
