"""A row of figures for each species: counts, F4 with interval, cut, what tuning gave, whether probabilities hold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.calibration import label_hits
from ensemble.comparison import TUNED
from ensemble.cutting import tomogram_cut
from evaluation.counts import Counts
from evaluation.intervals import interval_of, resampled_scores, resamplings
from submissions.report.layers import FALSE_POSITIVE
from submissions.report.material import Layer, Material
from tomograms.particles import Particle

UNTUNED = "equal weights"
"""The baseline that has everything but what Optuna tunes: weights and radius."""
EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Of the bins of a reliability diagram."""
UNLIKELY = 0.05
"""Most candidates lie below, and would hide the others in a mean."""
FEWEST = 5
"""Candidates in a bin below which it tells nothing and is left out."""


def species_rows(material: Material) -> list[dict[str, Any]]:
    """Return one row a species; what takes picks to know is ``None`` where there are none."""
    return [_row(material, particle) for particle in material.particles]


def _row(material: Material, particle: Particle) -> dict[str, Any]:
    name, rule = particle.name, material.fusion.ensemble.rules[particle.name]
    told = material.scores.get(TUNED)
    untuned = material.scores.get(UNTUNED)
    total = sum(rule.weights.values())
    row: dict[str, Any] = {
        "name": name,
        "radius": particle.radius,
        "weight": particle.weight,
        "common_cut": rule.cut.common,
        "cut_factor": rule.cut.factor,
        "member_weights": {member: weight / total if total else 0.0 for member, weight in rule.weights.items()},
        "cluster_radius": rule.radius_fraction * particle.radius if len(rule.active) > 1 else None,
    }
    if told is not None:
        row |= told["particles"][name]
        row["interval"] = species_interval(told["folds"], particle)
    if told is not None and untuned is not None:
        row["untuned_f_beta"] = untuned["particles"][name]["f_beta"]
        row["tuning_gain"] = row["f_beta"] - row["untuned_f_beta"]
    if material.held_out is not None:
        row["held_out"] = _layer_figures(material, material.held_out, name, rule.cut.common)
        row["reliability"] = reliability(material.held_out, particle)
    if material.new.names:
        row["new"] = _layer_figures(material, material.new, name, rule.cut.common)
    return row


def species_interval(folds: Sequence[Mapping[str, Any]], particle: Particle) -> dict[str, float]:
    """Return the 95 % interval of a species' F4 over resampled tomograms.

    Parameters
    ----------
    folds
        As in ``ensemble.json``.
    particle
        The species.
    """
    counts = {
        name: {particle.name: Counts(*own[particle.name])} for fold in folds for name, own in fold["counts"].items()
    }
    experiments = sorted(counts)
    multiplicity, probability = resamplings(len(experiments))
    alone = Particle(particle.name, particle.label, particle.radius, 1.0)
    scores = resampled_scores(counts, [alone], experiments, multiplicity)
    whole = sum((own[particle.name] for own in counts.values()), Counts())
    interval = interval_of(whole.f_beta, scores, probability)
    return {"low": interval.low, "high": interval.high, "deviation": interval.deviation}


def _layer_figures(material: Material, layer: Layer, name: str, common: float) -> dict[str, Any]:
    """Return what is reported of a species in some tomograms, and what its probabilities say of that."""
    kept, fused = (table[table["particle_type"] == name] for table in (layer.kept, layer.fused))
    count = len(layer.names)
    cuts = cuts_of(fused, common)
    lowest = kept.groupby("experiment")["score"].min()
    figures: dict[str, Any] = {
        "picks": len(kept),
        "expected_hits": float(kept["score"].sum()),
        "expected_particles": float(fused["score"].sum()),
        "expected_false_per_tomogram": float((1 - kept["score"]).sum()) / count,
        "theory_cut": quartiles(cuts),
        "lowest_reported": quartiles(lowest.to_numpy(np.float64)),
    }
    if layer.judged:
        marks = layer.marks
        false = (marks["particle_type"] == name) & (marks["kind"] == FALSE_POSITIVE)
        figures["false_per_tomogram"] = float(false.sum()) / len(layer.judged)
    return figures


def cuts_of(fused: pd.DataFrame, common: float) -> NDArray[np.float64]:  # (tomograms,)
    """Return the cut that theory asks for in each tomogram, from all candidates of one species."""
    return np.array([tomogram_cut(own["score"].to_numpy(np.float64), common) for _, own in fused.groupby("experiment")])


def quartiles(values: NDArray[np.float64]) -> dict[str, float] | None:
    """Return lowest, median and highest value, ``None`` without any."""
    if not len(values):
        return None
    return {"low": float(values.min()), "median": float(np.median(values)), "high": float(values.max())}


def reliability(layer: Layer, particle: Particle) -> dict[str, Any]:
    """Return whether probabilities hold: in bins of fused candidates, the mean of them and the share of hits.

    ``error`` is the mean distance of the two above `UNLIKELY`, each bin weighing as its candidates. Hits are those of
    calibration: each true particle has one.
    """
    rows = layer.fused[layer.fused["particle_type"] == particle.name].reset_index(drop=True)
    label = label_hits(layer.truth, rows, particle).label
    score = rows["score"].to_numpy(np.float64)
    place = np.clip(np.searchsorted(EDGES, score, side="right") - 1, 0, len(EDGES) - 2)
    bins = []
    for k in np.unique(place):
        own = place == k
        if own.sum() >= FEWEST:
            count, share = int(own.sum()), float(label[own].mean())
            low, high = wilson(share, count)
            probability = float(score[own].mean())
            bins.append({"count": count, "probability": probability, "share": share, "low": low, "high": high})
    above = [one for one in bins if one["probability"] >= UNLIKELY]
    counted = sum(one["count"] for one in above)
    distance = sum(one["count"] * abs(one["probability"] - one["share"]) for one in above)
    return {"bins": bins, "error": distance / counted if counted else None}


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of ``count`` trials (1927): not empty at 0 and 1, never beyond them."""
    z = 1.959964
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))
