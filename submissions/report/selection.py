"""Which tomograms and which particles a report shows."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from evaluation.counts import count, score
from submissions.report.layers import FALSE_POSITIVE, FOUND, HIT, MISS
from submissions.report.material import Layer, Material

TOMOGRAMS = 16
"""That are read for pictures."""
NEW = 4
"""Of these, new ones, where there are held-out ones as well."""
CROPS = 12
"""Of each kind and species."""
SPECIES = 16
"""Of which crops are shown: those with the most picks."""
LEFT_OUT, LEFT_OUT_RIGHT = "left out", "left out, but right"
"""Kinds of candidates below the cut."""


def chosen_tomograms(material: Material) -> list[str]:
    """Return the tomograms that are shown: evenly spread from the best score to the worst, new ones by name."""
    new = list(material.new.names)
    if material.held_out is None:
        return _spread(new, TOMOGRAMS)
    layer = material.held_out
    counts = count(layer.truth, layer.kept, layer.particles)
    ranked = sorted(layer.names, key=lambda name: (-score(counts.get(name, {}), layer.particles).total, name))
    some_new = _spread(new, max(NEW, TOMOGRAMS - len(ranked)))
    return [*_spread(ranked, TOMOGRAMS - len(some_new)), *some_new]


def _spread(names: list[str], number: int) -> list[str]:
    """Return at most ``number`` of the names, evenly spread, the first and the last among them."""
    if len(names) <= number:
        return names
    return [names[k] for k in np.round(np.linspace(0, len(names) - 1, number)).astype(int)]


def chosen_crops(layers: list[Layer], names: list[str]) -> dict[str, dict[str, pd.DataFrame]]:
    """Return by species the surest picks, the candidates nearest to the cut and the missed particles in some tomograms.

    Rows have ``experiment, x, y, z, score, kind``. A species without any is left out; so are the rarest, where there
    are more than `SPECIES`.

    Parameters
    ----------
    layers
        Held-out and new tomograms.
    names
        The tomograms that are read.
    """
    marks = pd.concat([layer.marks[layer.marks["experiment"].isin(names)] for layer in layers], ignore_index=True)
    border = pd.concat([_borderline(layer, names) for layer in layers], ignore_index=True)
    common = marks["particle_type"].value_counts().index[:SPECIES]
    out: dict[str, dict[str, pd.DataFrame]] = {}
    for name in sorted(common):
        own = marks[marks["particle_type"] == name]
        picks, missed = own[own["kind"] != MISS], own[own["kind"] == MISS]
        near = border[border["particle_type"] == name].sort_values(["away", "experiment", "z", "y", "x"])
        out[str(name)] = {
            "surest": picks.sort_values(["score", "experiment", "z"], ascending=[False, True, True]).head(CROPS),
            "borderline": near.head(CROPS).sort_values("score", ascending=False),
            "missed": missed.sort_values(["experiment", "z", "y", "x"]).iloc[_even(len(missed))],
        }
    return out


def _even(count: int) -> list[int]:
    return [int(k) for k in np.unique(np.linspace(0, count - 1, min(count, CROPS)).astype(int))] if count else []


def _borderline(layer: Layer, names: list[str]) -> pd.DataFrame:
    """Return all candidates of some tomograms and how far, in logits, each lies from what divides it from the others.

    That is halfway between the lowest that is reported and the highest that is not, of its species and tomogram.
    """
    fused = layer.fused[layer.fused["experiment"].isin(names)]
    marks = layer.judge(fused)
    marks = marks[marks["kind"] != MISS]
    keys = ["experiment", "particle_type"]
    kept = marks.merge(layer.kept[[*keys, "x", "y", "z"]].assign(kept=True), "left", [*keys, "x", "y", "z"])
    reported = kept["kept"].eq(True)
    logit = np.log(kept["score"].clip(1e-6, 1 - 1e-6)) - np.log1p(-kept["score"].clip(1e-6, 1 - 1e-6))
    kept = kept.assign(logit=logit)
    lowest = kept[reported].groupby(keys)["logit"].min()
    highest = kept[~reported].groupby(keys)["logit"].max()
    middle = pd.concat([lowest, highest], axis=1).mean(axis=1).rename("middle")
    kept = kept.join(middle, on=keys)
    below: Mapping[str, str] = {HIT: LEFT_OUT_RIGHT, FALSE_POSITIVE: LEFT_OUT, FOUND: LEFT_OUT}
    kind = kept["kind"].where(reported, kept["kind"].map(dict(below)))
    return kept.assign(kind=kind, away=(kept["logit"] - kept["middle"]).abs())
