"""Members against fusion: what each finds that no other does, how far they agree, where their hits lie."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.matching import match
from evaluation.residuals import measure_residuals
from submissions.report.layers import FUSED
from submissions.report.material import Material


def agreement(material: Material) -> dict[str, Any] | None:
    """Return scores of members and fusions, and which true particles each finds; ``None`` without truth."""
    layer = material.held_out
    if layer is None:
        return None
    tables = {**material.members, FUSED: layer.kept}
    found = {name: _hit(layer.truth, table, material) for name, table in tables.items()}
    species = layer.truth["particle_type"].to_numpy(object)
    everywhere = np.ones(len(species), bool)
    return {
        "scores": _scores(material),
        "finds": {particle.name: _finds(found, species == particle.name) for particle in material.particles}
        | {"all": _finds(found, everywhere)},
        "agreement": _pairs({name: own for name, own in found.items() if name != FUSED}),
        "offsets": _offsets(material),
    }


def _scores(material: Material) -> list[dict[str, Any]]:
    """Return every nested result of the build, as ``ensemble.json`` tells it."""
    rows = []
    for name, told in material.scores.items():
        row = {"name": name, **{key: told[key] for key in ("nested", "interval", "optimum", "gap")}}
        row["minus_best_member"] = material.record["minus_best_member"][name]
        row["by_species"] = {species: own["f_beta"] for species, own in told["particles"].items()}
        row["kind"] = "member" if name in material.fusion.ensemble.members else "fusion"
        rows.append(row)
    return sorted(rows, key=lambda row: (row["kind"] != "member", -row["nested"], row["name"]))


def _hit(truth: pd.DataFrame, table: pd.DataFrame, material: Material) -> NDArray[np.bool_]:  # (true particles,)
    hit = np.zeros(len(truth), bool)
    hit[match(truth, table, material.particles).pair_truth] = True
    return hit


def _finds(found: Mapping[str, NDArray[np.bool_]], among: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how many of some true particles each member finds, alone or not, and what fusing adds and loses."""
    members = {name: own[among] for name, own in found.items() if name != FUSED}
    fused = found[FUSED][among]
    voices = np.sum(list(members.values()), axis=0)
    return {
        "truth": int(among.sum()),
        "fused": int(fused.sum()),
        "members": {name: int(own.sum()) for name, own in members.items()},
        "alone": {name: int((own & (voices == 1)).sum()) for name, own in members.items()},
        "all_members": int((voices == len(members)).sum()),
        "nobody": int(((voices == 0) & ~fused).sum()),
        "added_by_fusing": int((fused & (voices == 0)).sum()),
        "lost_by_fusing": int((~fused & (voices > 0)).sum()),
    }


def _pairs(members: Mapping[str, NDArray[np.bool_]]) -> list[dict[str, Any]]:
    """Return of each two members the particles that both find, by those that either finds."""
    names = list(members)
    pairs = [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
    out = []
    for a, b in pairs:
        both, either = int((members[a] & members[b]).sum()), int((members[a] | members[b]).sum())
        out.append({"members": [a, b], "both": both, "either": either, "share": both / either if either else None})
    return out


def _offsets(material: Material) -> dict[str, Any]:
    """Return where each member's sure hits lie, seen from the truth, and what is taken back, x, y, z in Å."""
    assert material.held_out is not None
    out = {}
    for member in material.fusion.ensemble.members:
        own = material.candidates[material.candidates["member"] == member]
        residuals = measure_residuals(material.held_out.truth, own, material.particles)
        out[member] = {
            "hits": residuals.hits,
            "offset": residuals.offset.tolist(),
            "error": residuals.error.tolist(),
            "spread": dict(residuals.spread),
            "taken_back": list(material.fusion.ensemble.corrections.get(member, (0.0, 0.0, 0.0))),
        }
    return out
