"""Geometry of picks: heights, nearest neighbours, the volume's edge, and which species are taken for which."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from evaluation.matching import DISTANCE, positions
from submissions.report.layers import FALSE_POSITIVE, MISS
from submissions.report.material import Layer, Material
from tomograms.coordinates import Extent, extent
from tomograms.particles import Particle

HEIGHTS = 24
"""Bins along z."""
NEIGHBOURS = tuple(np.round(np.arange(0, 6.01, 0.25), 2).tolist())
"""Edges of the bins of nearest neighbours, in radii; what is farther counts in the last."""
NEAR = 1.0
"""Radii from the volume's face that count as near the edge."""
AGAIN, NOTHING = "again", "nothing"
"""What a false pick may lie on beside another species: a particle that a better pick has hit, or none."""


def geometry(material: Material) -> dict[str, Any] | None:
    """Return the figures of every tomogram's picks, held out or new; ``None`` where there is no pick and no truth."""
    layers = material.layers
    if not layers:
        return None
    marks = pd.concat([layer.marks for layer in layers], ignore_index=True)
    if not len(marks):
        return None
    names = [name for layer in layers for name in layer.names]
    extents = material.dataset.known_extents(names) if material.dataset is not None else {}
    edge = edge_distance(marks, extents)
    top = float(marks["z"].max()) if len(marks) else 0.0
    heights = np.linspace(min(0.0, float(marks["z"].min())), max(top, 1.0), HEIGHTS + 1)
    return {
        "heights": heights.tolist(),
        "neighbour_edges": list(NEIGHBOURS),
        "species": {p.name: _species(marks, edge, p, heights) for p in material.particles},
        "taken_for": taken_for(material.held_out) if material.held_out is not None else None,
    }


def _species(
    marks: pd.DataFrame, edge: NDArray[np.float64], particle: Particle, heights: NDArray[np.float64]
) -> dict[str, Any]:
    rows = (marks["particle_type"] == particle.name).to_numpy()
    own, edge = marks[rows], edge[rows]
    picks = own[own["kind"] != MISS]
    distance = nearest(picks) / particle.radius
    near = edge <= NEAR * particle.radius
    inside = edge > NEAR * particle.radius  # neither where the volume is unknown
    return {
        "z": {kind: np.histogram(table["z"], heights)[0].tolist() for kind, table in own.groupby("kind")},
        "neighbours": np.histogram(np.minimum(distance, NEIGHBOURS[-1] - 1e-9), NEIGHBOURS)[0].tolist(),
        "closer_than_radius": int((distance < 1).sum()),
        "closest": float(distance.min()) * particle.radius if len(distance) else None,
        "near_edge": own["kind"][near].value_counts().to_dict(),
        "inside": own["kind"][inside].value_counts().to_dict(),
    }


def nearest(table: pd.DataFrame) -> NDArray[np.float64]:  # (n,) Å
    """Return the distance of each position to the nearest other one of its tomogram; positions alone are left out."""
    parts = [np.empty(0)]
    for _, own in table.groupby("experiment"):
        if len(own) > 1:
            place = positions(own)
            parts.append(cKDTree(place).query(place, k=2)[0][:, 1])
    return np.concatenate(parts)


def edge_distance(marks: pd.DataFrame, extents: Mapping[str, Extent]) -> NDArray[np.float64]:  # (n,) Å
    """Return each position's distance to the nearest face of its volume; NaN where the volume is not known."""
    out = np.full(len(marks), np.nan)
    for name, rows in marks.groupby("experiment").indices.items():
        if name in extents:
            low, high = extent(tuple(extents[str(name)].shape[:3]), extents[str(name)].voxel_size)
            place = positions(marks.iloc[rows])
            out[rows] = np.minimum(place - low, high - place).min(axis=1)
    return out


def taken_for(layer: Layer) -> dict[str, dict[str, int]]:
    """Return what false picks of each species lie on: another species, a particle that is hit already, or nothing.

    A pick lies on a particle that is within half of that particle's radius; of several the nearest, in radii.
    """
    names = [particle.name for particle in layer.particles]
    out = {name: dict.fromkeys([*names, AGAIN, NOTHING], 0) for name in names}
    radius = layer.truth["particle_type"].map({p.name: p.radius for p in layer.particles}).to_numpy(np.float64)
    false = layer.marks[layer.marks["kind"] == FALSE_POSITIVE]
    true = {str(name): rows for name, rows in layer.truth.groupby("experiment").indices.items()}
    for name, own in false.groupby("experiment"):
        rows = true.get(str(name), np.empty(0, np.int64))
        species = layer.truth["particle_type"].to_numpy(object)[rows]
        place = positions(layer.truth.iloc[rows])
        for pick, kind in zip(positions(own), own["particle_type"], strict=True):
            distance = np.sqrt(((place - pick) ** 2).sum(axis=1)) / radius[rows]
            on = NOTHING
            if len(rows) and distance.min() <= DISTANCE:
                nearest_species = species[int(np.argmin(distance))]
                on = AGAIN if nearest_species == kind else nearest_species
            out[kind][on] += 1
    return out
