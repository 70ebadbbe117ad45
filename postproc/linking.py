"""Boxes of neighbouring slices become particles: 3D centroids that keep a score.

A sphere of radius R shows in a stack of slices as boxes around one point, in 2R of depth; the missing wedge draws it
out further. So each box asks how much confidence lies around it within such an ellipsoid; the boxes with most support,
one in a column where no second sphere fits, are the particles, and every box belongs to the nearest of them. Unlike
chains from slice to slice, this neither merges two particles that lie on top of each other nor breaks where a slice is
missed, and it treats weak boxes like strong ones, so that long low-score tails keep their positions.

A score asks for two things: that the slices through a particle's middle show it, and that slices beyond its ends don't.
Membranes, larger particles and noise that has been smeared out run on, and look like any particle in a single slice.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

from models.outputs import SliceBoxes
from postproc.candidates import make_candidates
from postproc.suppression import suppress
from tomograms.coordinates import to_angstrom
from tomograms.particles import Particle

# Lengths in radii of the species. The first three are geometry, the others were set by hand on simulated tomograms and
# never tuned: what they gain over chains from slice to slice stands in the log of experiments.
REACH = 0.5  # across the slices: the metric's own tolerance, within which boxes of one particle must agree
DEPTH = 1.4  # along the slicing axis: a radius, and what the missing wedge (2 x 60 degrees) adds to it
COLUMN = 2.0  # along the slicing axis: two spheres on top of each other are two radii apart
CORE = 0.5  # half the depth in which every slice should show the particle: there a section is above 0.86 of its width
RIM = 0.9  # distance along the slicing axis from which on no slice should: there it is below 0.44 of its width
HALO = 2.1  # how far along the slicing axis boxes beyond the rim are looked for: as far as the next sphere's middle


def link_boxes(
    boxes: SliceBoxes,
    particles: Sequence[Particle],
    voxel_size: float,
    *,
    experiment: str,
    member: str,
    model: str,
) -> pd.DataFrame:
    """Return the particles that the boxes show, as candidates.

    The same boxes in another order give the same table; no boxes give an empty one.

    Parameters
    ----------
    boxes
        Boxes of one tomogram.
    particles
        Every species; boxes of other labels are dropped.
    voxel_size
        Å.
    experiment, member, model
        What the candidates' columns of these names hold.
    """
    found = [link(boxes, particle.label, particle.radius / voxel_size) for particle in particles]
    counts = [len(score) for _, score in found]
    return make_candidates(
        experiment,
        np.repeat(np.array([particle.name for particle in particles], object), counts),
        to_angstrom(np.concatenate([np.empty((0, 3)), *(centre for centre, _ in found)]), voxel_size),
        np.concatenate([np.empty(0), *(score for _, score in found)]),
        member=member,
        model=model,
    )


def link(
    boxes: SliceBoxes, label: int, radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # (n, 3), (n,)
    """Return the particles of one species: tomogram indices (z, y, x) of their centres, and scores, best first.

    Parameters
    ----------
    boxes
        Boxes of one tomogram.
    label
        `Particle.label` of the species.
    radius
        Its radius in voxels.
    """
    axis = boxes.axis
    point, confidence = _points(boxes, label)
    if not len(point):
        return np.empty((0, 3)), np.empty(0)

    def scale(depth: float) -> NDArray[np.float64]:  # (3,), by which "within reach" is a unit distance
        return np.where(np.arange(3) == axis, 1 / depth, 1 / REACH) / radius

    near, apart, wide = scale(DEPTH), scale(COLUMN), scale(HALO)
    # One seed a column: two in one long track would each draw half of its boxes, and both end up beside the particle.
    scaled = point * near
    centre = point[_peaks(point * apart, _support(scaled, confidence))]
    centre = _means(point, confidence, _owners(scaled, centre * near), centre)
    score = _scores(
        point[:, axis], confidence, _owners(point * wide, centre * wide), centre[:, axis], boxes.step, radius
    )
    best = _peaks(centre * apart, score)
    best = best[score[best] > 0]
    return centre[best], score[best]


def _points(boxes: SliceBoxes, label: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Box centres (z, y, x) and confidences of one label, in a total order: sums and ties do not depend on the input's.
    chosen = boxes.label == label
    xyxy = boxes.xyxy[chosen].astype(np.float64)
    column, row = (xyxy[:, 0] + xyxy[:, 2]) / 2, (xyxy[:, 1] + xyxy[:, 3]) / 2
    point = np.insert(np.stack([row, column], axis=1), boxes.axis, boxes.slice_index[chosen], axis=1)
    confidence = boxes.confidence[chosen].astype(np.float64)
    order = np.lexsort((point[:, 2], point[:, 1], point[:, 0], -confidence))
    return point[order], confidence[order]


def _support(point: NDArray[np.float64], confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    # Confidence within unit distance of each point; near points count more, so that a track's middle stands out.
    pairs = KDTree(point).query_pairs(1.0, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    i, j = pairs.T
    weight = 1 - np.sum((point[i] - point[j]) ** 2, axis=1)
    support = confidence.copy()
    np.add.at(support, i, weight * confidence[j])
    np.add.at(support, j, weight * confidence[i])
    return support


def _peaks(point: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the points without a better point within unit distance, greedily: best first, then by z, y, x."""
    order = np.lexsort((point[:, 2], point[:, 1], point[:, 0], -value))
    rank = np.empty(len(point), np.int64)
    rank[order] = np.arange(len(point))
    pairs = np.sort(rank[KDTree(point).query_pairs(1.0, output_type="ndarray")], axis=1)
    return order[suppress(pairs, len(point))]


def _owners(point: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.int64]:
    # The nearest centre of each point; len(centre) for a point that has none within unit distance.
    return KDTree(centre).query(point, distance_upper_bound=np.nextafter(1.0, 2.0))[1]


def _means(
    point: NDArray[np.float64], confidence: NDArray[np.float64], owner: NDArray[np.int64], centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    # Confidence-weighted mean of the points of each centre; a centre without points stays where it is.
    owned = owner < len(centre)
    weight = np.bincount(owner[owned], confidence[owned], len(centre))
    total = [np.bincount(owner[owned], confidence[owned] * point[owned, axis], len(centre)) for axis in range(3)]
    return np.where(weight[:, None] > 0, np.stack(total, axis=1) / np.maximum(weight, 1e-300)[:, None], centre)


def _scores(
    depth: NDArray[np.float64],  # (box,) along the slicing axis, voxels
    confidence: NDArray[np.float64],  # (box,)
    owner: NDArray[np.int64],  # (box,)
    centre: NDArray[np.float64],  # (n,) along the slicing axis, voxels
    step: int,
    radius: float,
) -> NDArray[np.float64]:  # (n,)
    """Return each centre's score: mean confidence over the slices within `CORE`, times its share against beyond `RIM`.

    In every slice only a centre's best box counts. A slice stands for what lies around it, and counts by how much of
    that lies within the core, and beyond the rim.
    """
    count = len(centre)
    owned = np.flatnonzero(owner < count)
    owned = owned[np.lexsort((-confidence[owned], depth[owned], owner[owned]))]
    first = np.ones(len(owned), bool)
    first[1:] = (np.diff(owner[owned]) != 0) | (np.diff(depth[owned]) != 0)
    leader = owned[first]
    of, away = owner[leader], np.abs(depth[leader] - centre[owner[leader]])

    def total(beyond: NDArray[np.float64]) -> NDArray[np.float64]:  # voxels by which a slice lies on the right side
        return np.bincount(of, np.clip(beyond / step + 0.5, 0, 1) * confidence[leader], count).astype(np.float64)

    inside, outside = total(CORE * radius - away), total(away - RIM * radius)
    expected = max(1.0, 2 * CORE * radius / step)
    share = inside / np.maximum(inside + outside, np.finfo(float).tiny)
    return np.minimum(inside / expected, 1.0) * share
