"""A row of figures for each tomogram: picks, what their probabilities promise, the score if it is known, warnings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from evaluation.counts import Counts, count, f_beta, score
from submissions.report.material import Layer, Material

SEVERAL = 1.5
"""Picks of a tomogram by the median of all, either way, beyond which it is said."""


def tomogram_rows(material: Material) -> list[dict[str, Any]]:
    """Return one row a tomogram, held-out ones first, by name."""
    return [row for layer in material.layers for row in _rows(material, layer)]


def _rows(material: Material, layer: Layer) -> list[dict[str, Any]]:
    held_out = layer is material.held_out
    names = [particle.name for particle in layer.particles]
    picks = _by_tomogram(layer.kept, layer, names).fillna(0).astype(int)
    hits = _by_tomogram(layer.kept, layer, names, total=True).fillna(0.0)
    there = _by_tomogram(layer.fused, layer, names, total=True).fillna(0.0)
    counts = count(layer.truth, layer.kept, layer.particles) if layer.judged else {}
    usual = float(np.median(picks.sum(axis=1)))
    weights = np.array([particle.weight for particle in layer.particles])
    quality = f_beta(hits.to_numpy(), picks.to_numpy(), there.to_numpy()) @ weights / weights.sum()
    rows = []
    for k, name in enumerate(layer.names):
        total = int(picks.iloc[k].sum())
        row: dict[str, Any] = {
            "name": name,
            "kind": "held out" if held_out else "new",
            "picks": total,
            "by_species": {species: int(picks.iloc[k][species]) for species in names},
            "expected_hits": float(hits.iloc[k].sum()),
            "expected_precision": float(hits.iloc[k].sum()) / total if total else None,
            "quality": float(quality[k]),
            "warnings": _warnings(material, name, held_out, total, usual),
        }
        if name in layer.judged:
            own: Mapping[str, Counts] = counts.get(name, {})
            pooled = sum(own.values(), Counts())
            row |= {"tp": pooled.tp, "fp": pooled.fp, "fn": pooled.fn}
            row["score"] = score(own, layer.particles).total
        rows.append(row)
    return rows


def _by_tomogram(table: pd.DataFrame, layer: Layer, names: list[str], *, total: bool = False) -> pd.DataFrame:
    """Return how many candidates there are by tomogram (rows) and species, or the total of their probabilities."""
    grouped = table.groupby(["experiment", "particle_type"])["score"]
    found = (grouped.sum() if total else grouped.size()).unstack()
    return found.reindex(index=list(layer.names), columns=names)


def _warnings(material: Material, name: str, held_out: bool, picks: int, usual: float) -> list[str]:
    """Return what is odd about a tomogram, in words."""
    words = [f"{f.member}{': ' if f.member else ''}{f.reason}" for f in material.failures if f.experiment == name]
    if not held_out:
        stored = material.stored[name]
        remark = max((own.remark for own in stored.values()), default="")
        words += [f"unlike the tomograms that scores were calibrated on: {remark}"] if remark else []
        absent = [m for m in material.fusion.ensemble.members if m in material.run.members and m not in stored]
        used = {m for rule in material.fusion.ensemble.rules.values() for m in rule.active}
        words += [f"not predicted by {member}" for member in absent if member in used]
        fewer = [f"{m}: {own.views} of {own.full} views" for m, own in stored.items() if own.views < own.full]
        words += fewer
    if not picks:
        words.append("nothing is reported")
    elif usual and not 1 / SEVERAL <= picks / usual <= SEVERAL:
        words.append(f"{'many' if picks > usual else 'few'} picks (median {usual:.0f})")
    return words
