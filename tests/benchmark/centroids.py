"""Stage ``centroids``: class maps to scored centroids, against connected components and centres of mass (octopi)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from models.outputs import ClassMaps
from postproc.peaks import map_candidates
from tests.benchmark.measure import interleave, once
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import FULL_SHAPE, VOXEL_SIZE, Scale
from tests.benchmark.scenes import class_maps, label_map
from tomograms.coordinates import to_angstrom
from tomograms.particles import CZII

SECONDS, FASTER = 3.0, 10.0
MEAN_ERROR, OFFSET = 1.0, 0.2
"""Å, on noise-free Gaussian maps: mean distance, and mean shift along each axis."""
FRACTION = 0.7
"""Radius of the label map's balls, in particle radii: octopi's target."""
SMALLEST, LARGEST = 0.5, 1.0
"""Components of another size than balls of these radii (in particle radii) are dropped: octopi's defaults."""


def centres_of_mass(labels: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:  # species -> (n, 3) xyz, Å
    """Return centroids as octopi finds them: each species' components, one centre of mass after the other."""
    found = {}
    for particle in CZII:
        smallest, largest = (4 / 3 * np.pi * (s * particle.radius / VOXEL_SIZE) ** 3 for s in (SMALLEST, LARGEST))
        components, _ = ndimage.label(labels == particle.label)
        sizes = np.bincount(components.ravel())
        chosen = np.flatnonzero((sizes > smallest) & (sizes < largest))
        centres = [ndimage.center_of_mass(components == number) for number in chosen]
        found[particle.name] = to_angstrom(np.array(centres).reshape(-1, 3), VOXEL_SIZE)
    return found


def peaks(maps: ClassMaps) -> pd.DataFrame:
    """Return our candidates."""
    return map_candidates(maps, CZII, VOXEL_SIZE, experiment="TS_1", member="unet", model="one")


def errors(truth: pd.DataFrame, candidates: pd.DataFrame) -> NDArray[np.float64]:  # (n, 3) xyz, Å
    """Return the nearest candidate of the species minus each true position."""
    parts = []
    for name, rows in truth.groupby("particle_type"):
        found = candidates.loc[candidates["particle_type"] == name, ["x", "y", "z"]].to_numpy()
        true = rows[["x", "y", "z"]].to_numpy()
        parts.append(found[cKDTree(found).query(true)[1]] - true if len(found) else np.full(true.shape, np.inf))
    return np.concatenate(parts)


def also_found(theirs: dict[str, NDArray[np.float64]], candidates: pd.DataFrame) -> float:
    """Return the share of the peer's centroids that lie within a tenth of a radius of one of ours."""
    hits = total = 0
    for particle in CZII:
        ours = candidates.loc[candidates["particle_type"] == particle.name, ["x", "y", "z"]].to_numpy()
        total += len(theirs[particle.name])
        if len(ours) and len(theirs[particle.name]):
            hits += int((cKDTree(ours).query(theirs[particle.name])[0] <= 0.1 * particle.radius).sum())
    return hits / total if total else 1.0


def run(scale: Scale) -> list[Row]:
    """Return a row for maps at half resolution, which our U-Net predicts, and one for full resolution.

    Both are set against the same pass of octopi's way over the labels, which takes minutes. Labels have no noise, and
    noise moves centroids of half resolution by up to a voxel, so it is from clean maps that we must find all of theirs.
    """
    shape, number = scale.pick(FULL_SHAPE, (40, 100, 120)), scale.pick(100, 1)
    clean, truth = class_maps(shape, number, noise=0.0)
    from_clean = peaks(clean)
    error = errors(truth, from_clean)
    labels = label_map(shape, truth, fraction=FRACTION)
    accuracy = (
        Limit("mean error on noise-free maps, Å", float(np.linalg.norm(error, axis=1).mean()), MEAN_ERROR),
        Limit("constant offset on noise-free maps, Å", float(np.abs(error.mean(axis=0)).max()), OFFSET),
    )
    del clean
    theirs, centres = once(partial(centres_of_mass, labels))
    rows = []
    for stride in (2, 1):
        maps, _ = class_maps(shape, number, noise=0.5, stride=stride)
        times, results = interleave({"ours": partial(peaks, maps)}, repeats=scale.pick(3, 1))
        ours, found = times["ours"], results["ours"]
        ratio = Limit("times as fast", theirs.wall / ours.wall, FASTER, at_least=True)
        limit = Limit("seconds", ours.wall, SECONDS)
        matched = also_found(centres, from_clean if stride == 2 else found)
        same = Limit("share of its centroids that we find", matched, 1.0, True)
        size = "x".join(map(str, maps.logits.shape))
        rows.append(
            Row(
                "centroids" if stride == 2 else "centroids, full-resolution maps",
                f"{len(truth)} particles, logits {size}",
                ours,
                theirs,
                f"labels and centres of mass of a label map {'x'.join(map(str, shape))}",
                floors=(limit, ratio) if stride == 2 else (ratio,),
                checks=(same, *accuracy) if stride == 2 else (same,),
                notes={"candidates": len(found)},
            )
        )
    return rows
