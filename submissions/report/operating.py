"""The operating point: what each species' precision, recall and F4 would be from any probability on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.counts import f_beta
from evaluation.thresholds import sweep
from submissions.report.layers import MISS
from submissions.report.material import Layer, Material
from tomograms.particles import Particle

SIDE = 4.6
"""Logits on either side that thresholds reach: probabilities 0.01 to 0.99."""
STEPS = 93
BASIS = (
    "In-sample: the held-out tomograms' probabilities are honest (each fold's ensemble never saw them), but a "
    "threshold that is chosen on these curves is fitted to them. Expect less of it in new tomograms."
)


def grid() -> NDArray[np.float64]:  # (STEPS,)
    """Return the thresholds that are offered, evenly spaced on the logit scale, with four decimals."""
    return np.round(1 / (1 + np.exp(-np.linspace(-SIDE, SIDE, STEPS))), 4)


def operating(material: Material) -> dict[str, Any] | None:
    """Return the curves of all species over `grid`; ``None`` where there is neither truth nor a new tomogram."""
    if not material.layers:
        return None
    thresholds = grid()
    return {
        "basis": BASIS if material.held_out is not None else None,
        "command": material.command,
        "given": {name: value for name, value in material.fusion.thresholds.items() if np.isfinite(value)},
        "threshold": thresholds.tolist(),
        "species": {particle.name: _species(material, particle, thresholds) for particle in material.particles},
    }


def _species(material: Material, particle: Particle, thresholds: NDArray[np.float64]) -> dict[str, Any]:
    curves: dict[str, Any] = {}
    layer = material.held_out
    if layer is not None:
        curve = sweep(layer.truth, layer.fused, particle)
        tp, fp = curve.counts_at(thresholds)
        true = int((layer.truth["particle_type"] == particle.name).sum())
        curves |= {
            "truth": true,
            "tp": tp.tolist(),
            "fp": fp.tolist(),
            "precision": np.divide(tp, tp + fp, out=np.full(len(tp), np.nan), where=tp + fp > 0).tolist(),
            "recall": (tp / max(true, 1)).tolist(),
            "f_beta": f_beta(tp, tp + fp, true).tolist(),
        }
    new = material.new.fused[material.new.fused["particle_type"] == particle.name]["score"].to_numpy(np.float64)
    curves["new_picks"] = (len(new) - np.searchsorted(np.sort(new), thresholds)).tolist()
    return {**curves, "now": _now(material, layer, particle)}


def _now(material: Material, layer: Layer | None, particle: Particle) -> dict[str, Any]:
    """Return the counts of what is reported today, each tomogram by its own cut."""
    now: dict[str, Any] = {"new_picks": int((material.new.kept["particle_type"] == particle.name).sum())}
    if layer is not None:
        own = layer.marks[layer.marks["particle_type"] == particle.name]
        picks = int((layer.kept["particle_type"] == particle.name).sum())
        true = int((layer.truth["particle_type"] == particle.name).sum())
        tp = true - int((own["kind"] == MISS).sum())
        now |= {"tp": tp, "fp": picks - tp, "truth": true, "f_beta": float(f_beta(tp, picks, true))}
    return now
