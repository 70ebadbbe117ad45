"""What a report is made of: a run's out-of-fold candidates and its predicted tomograms, fused and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ensemble.comparison import TUNED
from ensemble.ensemble import FILE
from evaluation.counts import count, pool
from evaluation.run_directory import RunDirectory
from postproc.candidates import concatenate, empty_candidates
from submissions.inputs import trained_on
from submissions.prediction.fusion import Fusion
from submissions.prediction.inference import Failure, Prediction
from submissions.prediction.store import Store, Stored
from submissions.report.layers import Layers, judge, load_layers
from tomograms.dataset import Dataset
from tomograms.errors import InputError
from tomograms.files import read_json
from tomograms.particles import Particle
from tomograms.picks import join_truth

MOST = 500
"""New tomograms that a report tells of."""


def shown(names: Sequence[str]) -> tuple[str, ...]:
    """Return the new tomograms that a report tells of: all, or every k-th, so that they are no more than `MOST`."""
    return tuple(names[:: -(-len(names) // MOST) or 1])


@dataclass(frozen=True)
class Layer:
    """Some tomograms: what was fused in them, what is reported, and the truth as far as it is known.

    Attributes
    ----------
    names
        Every tomogram.
    fused
        All candidates, scores as probabilities.
    kept
        Those that are reported.
    truth
        Of the tomograms in ``judged``.
    judged
        Tomograms whose truth is known and was not seen by what reports there.
    particles
        Every species.
    """

    names: tuple[str, ...]
    fused: pd.DataFrame
    kept: pd.DataFrame
    truth: pd.DataFrame
    judged: tuple[str, ...]
    particles: tuple[Particle, ...]

    @cached_property
    def marks(self) -> pd.DataFrame:
        """Every pick and every missed particle; see `judge`."""
        return self.judge(self.kept)

    def judge(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the marks of some candidates as if they were reported; see `submissions.report.layers.judge`."""
        known = table["experiment"].isin(list(self.judged))
        parts = [judge(self.truth, table[known], self.particles), judge(None, table[~known], self.particles)]
        return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


@dataclass(frozen=True)
class Material:
    """All that a report tells.

    Attributes
    ----------
    run, fusion
        The run and its ensemble.
    record, cv
        The content of ``ensemble.json`` and ``cv.json``; the latter empty where there is none.
    held_out
        Out-of-fold, each fold by the ensemble that was fitted without it; ``None`` where the run holds no truth.
    candidates, members
        Every out-of-fold candidate, and by member those above thresholds fitted on the other folds.
    new
        Tomograms that were predicted.
    stored
        What was predicted there, by tomogram and member.
    failures
        What did not work.
    dataset
        Where the tomograms lie; ``None`` where they are not at hand.
    command
        What predicts the new tomograms again, exports them, and takes thresholds as `submissions.make` does.
    left_out
        How many new tomograms it does not tell of.
    """

    run: RunDirectory
    fusion: Fusion
    record: Mapping[str, Any]
    cv: Mapping[str, Any]
    held_out: Layer | None
    candidates: pd.DataFrame
    members: Mapping[str, pd.DataFrame]
    new: Layer
    stored: Mapping[str, Mapping[str, Stored]]
    failures: tuple[Failure, ...]
    dataset: Dataset | None
    command: str
    left_out: int = 0

    @property
    def particles(self) -> tuple[Particle, ...]:
        """Every species."""
        return self.run.particles

    @property
    def scores(self) -> Mapping[str, Any]:
        """By name of what was scored; see `evaluation.records.result_to_record`."""
        return self.record.get("scores", {})

    @property
    def layers(self) -> list[Layer]:
        """The held-out tomograms, then the new ones."""
        return [layer for layer in (self.held_out, self.new) if layer is not None and layer.names]


def gather_material(
    fusion: Fusion,
    *,
    store: Store,
    names: Sequence[str],
    dataset: Dataset | None,
    command: str,
) -> Material:
    """Return what a report on a run is made of.

    Parameters
    ----------
    fusion
        The run's ensemble; loaded for those of ``names`` that are `shown`.
    store
        Where candidates of new tomograms are kept. They are taken as they lie there: no volume is read.
    names
        The new tomograms.
    dataset
        Where tomograms and picks lie, if that is known.
    command
        See `Material`.

    Raises
    ------
    InputError
        If a file of the run is missing, damaged or not the one that the ensemble was fitted to.
    """
    run = fusion.run
    few = shown(names)
    record = read_json(run.path / FILE)
    cv = read_json(run.path / "cv.json") if (run.path / "cv.json").exists() else {}
    held_out, candidates, members = None, empty_candidates(), {}
    if record.get("folds") and (run.path / "truth.csv").exists():
        layers = load_layers(fusion)
        candidates = layers.candidates
        held_out = held_out_layer(layers)
        members = _members(layers)
        _check(run, held_out, record)
    used = [member for member in fusion.ensemble.members if member in run.members]
    stored = {name: {m: found for m in used if (found := store.latest(name, m)) is not None} for name in few}
    new = new_layer(fusion, stored, dataset)
    failures = tuple(Failure(**one) for one in store.failures() if one["experiment"] in few)
    return Material(
        run,
        fusion,
        record,
        cv,
        held_out,
        candidates,
        members,
        new,
        stored,
        failures,
        dataset,
        command,
        len(names) - len(few),
    )


def held_out_layer(layers: Layers) -> Layer:
    """Return the held-out tomograms, each fold's candidates fused and cut by the ensemble that never saw it."""
    run = layers.fusion.run
    fused, kept = [], []
    for fold in run.folds:
        ensemble = layers.by_fold[fold.held_out]
        own = layers.candidates["experiment"].isin(fold.held_out)
        fused.append(ensemble.apply(layers.candidates[own].reset_index(drop=True)))
        kept.append(ensemble.keep(fused[-1]))
    names = run.record.held_out
    return Layer(names, concatenate(fused), concatenate(kept), run.truth(), names, run.particles)


def new_layer(fusion: Fusion, stored: Mapping[str, Mapping[str, Stored]], dataset: Dataset | None) -> Layer:
    """Return new tomograms, fused and cut as a submission is."""
    fused = [fusion.fused(Prediction(name, own)) for name, own in stored.items()]
    seen = trained_on(fusion.run, stored)
    truth = {name: own for name in stored if name not in seen and (own := _picks(dataset, name)) is not None}
    kept = concatenate([fusion.keep(table) for table in fused])
    return Layer(
        tuple(stored), concatenate(fused), kept, join_truth([*truth.values()]), tuple(truth), fusion.run.particles
    )


def _picks(dataset: Dataset | None, name: str) -> pd.DataFrame | None:
    """Return a tomogram's truth, ``None`` where nobody has picked by hand or several have."""
    try:
        return dataset.picks(name) if dataset is not None and dataset.has_picks(name) else None
    except InputError:
        return None


def _members(layers: Layers) -> dict[str, pd.DataFrame]:
    """Return what each member alone reports of held-out tomograms, by rules that were fitted on the other folds."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for fold in layers.fusion.run.folds:
        own = layers.candidates[layers.candidates["experiment"].isin(fold.held_out)].reset_index(drop=True)
        for member, table in layers.members(own, fold.held_out).items():
            parts.setdefault(member, []).append(table)
    return {member: concatenate(tables) for member, tables in parts.items()}


def _check(run: RunDirectory, layer: Layer, record: Mapping[str, Any]) -> None:
    """Refuse candidates that do not give the counts that ``ensemble.json`` tells."""
    told = record.get("scores", {}).get(TUNED)
    if told is None:
        return
    counts = pool(count(layer.truth, layer.kept, layer.particles))
    found = {name: [own.tp, own.fp, own.fn] for name, own in counts.items()}
    if found != {name: own["counts"] for name, own in told["particles"].items()}:
        raise InputError(
            f"{run.path / FILE}: expected the candidates that it was fitted to, but they give other counts; "
            f"build it again: {run.command('ensemble.build')}"
        )
