"""Boxes of neighbouring slices become particles: 3D centroids that keep a score.

A sphere of radius R shows in a stack of slices as boxes around one point, in 2R of depth; the missing wedge draws it
out further. So each box asks how much confidence lies around it within such an ellipsoid; the boxes with most support
are the particles, every box belongs to the nearest of them, and what is left above and below a better one, where no
second sphere fits, is dropped. Unlike chains from slice to slice, this neither merges two particles that lie on top of
each other nor breaks where a slice is missed, and it treats weak boxes like strong ones, so that long low-score tails
keep their positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

from models.outputs import SliceBoxes
from postproc.candidates import make_candidates
from tomograms.coordinates import to_angstrom
from tomograms.particles import Particle

REACH = 0.5  # across the slices, in radii: boxes of one particle lie within this distance of its centre
DEPTH = 1.4  # along the slicing axis, in radii: the same, with what the missing wedge adds
COLUMN = 2.0  # along the slicing axis, in radii: no two spheres of a species lie closer on top of each other
LABELLED = 0.866  # half the depth, in radii, in which a particle's cross-section is expected to be found


@dataclass(frozen=True)
class Tracks:
    """The particles of one species that the boxes of one tomogram show, n in all.

    Attributes
    ----------
    centre
        ``(n, 3)`` tomogram index (z, y, x).
    slices
        ``(n,)`` number of slices in which a box belongs to it.
    gaps
        ``(n,)`` number of slices between its first and last one in which none does.
    expected
        Number of slices in which a particle of this size is expected.
    confidence
        ``(n,)`` sum over slices of the best box's confidence.
    best
        ``(n,)`` confidence of its best box.
    """

    centre: NDArray[np.float64]
    slices: NDArray[np.int64]
    gaps: NDArray[np.int64]
    expected: float
    confidence: NDArray[np.float64]
    best: NDArray[np.float64]

    @property
    def score(self) -> NDArray[np.float64]:
        """``(n,)`` mean confidence over the expected slices, at most 1."""
        return np.minimum(self.confidence / self.expected, 1.0)


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
    tracks = [link(boxes, particle.label, particle.radius / voxel_size) for particle in particles]
    counts = [len(track.centre) for track in tracks]
    return make_candidates(
        experiment,
        np.repeat(np.array([particle.name for particle in particles], object), counts),
        to_angstrom(np.concatenate([np.empty((0, 3)), *(track.centre for track in tracks)]), voxel_size),
        np.concatenate([np.empty(0), *(track.score for track in tracks)]),
        member=member,
        model=model,
    )


def track_table(
    boxes: SliceBoxes, particles: Sequence[Particle], voxel_size: float, *, experiment: str
) -> pd.DataFrame:
    """Return what stands behind each candidate of `link_boxes`: a side table, for looking at and for other scores.

    Parameters
    ----------
    boxes, particles, voxel_size, experiment
        As for `link_boxes`.

    Returns
    -------
    pandas.DataFrame
        ``experiment, particle_type, x, y, z`` (Å), ``slices`` (with a box), ``expected`` (of a particle of this size),
        ``gaps`` (slices without one in between), ``mean_confidence`` (over the slices with a box), ``best_confidence``;
        by species, best score first.
    """
    tables = []
    for particle in particles:
        track = link(boxes, particle.label, particle.radius / voxel_size)
        z, y, x = track.centre.T
        order = np.lexsort((x, y, z, -track.score))
        xyz = to_angstrom(track.centre, voxel_size)
        columns = {
            "experiment": experiment,
            "particle_type": particle.name,
            **{axis: xyz[:, k] for k, axis in enumerate("xyz")},
            "slices": track.slices,
            "expected": track.expected,
            "gaps": track.gaps,
            "mean_confidence": track.confidence / np.maximum(track.slices, 1),
            "best_confidence": track.best,
        }
        tables.append(pd.DataFrame(columns, index=range(len(order))).iloc[order])
    return pd.concat(tables, ignore_index=True)


def link(
    boxes: SliceBoxes,
    label: int,
    radius: float,
) -> Tracks:
    """Return the particles of one species.

    Parameters
    ----------
    boxes
        Boxes of one tomogram.
    label
        `Particle.label` of the species.
    radius
        Its radius in voxels.
    """
    expected = max(1.0, 2 * LABELLED * radius / boxes.step)
    point, confidence = _points(boxes, label)
    if not len(point):
        none = np.empty(0, np.int64)
        return Tracks(np.empty((0, 3)), none, none, expected, np.empty(0), np.empty(0))
    other = [axis for axis in range(3) if axis != boxes.axis]
    scale = np.empty(3)
    scale[boxes.axis], scale[other] = 1 / (DEPTH * radius), 1 / (REACH * radius)

    seeds = _peaks(point * scale, _support(point * scale, confidence))
    centre = point[seeds]
    for _ in range(2):  # once more from the refined centres, so that the seed's own jitter is forgotten
        owner = _owners(point * scale, centre * scale)
        centre = _means(point, confidence, owner, centre)
    owner = _owners(point * scale, centre * scale)
    slices, length, total, best = _per_slice(point[:, boxes.axis], confidence, owner, len(centre))
    gaps = np.maximum(np.rint(length / boxes.step).astype(np.int64) + 1 - slices, 0)
    scale[boxes.axis] = 1 / (COLUMN * radius)
    keep = _peaks(centre * scale, total)
    return Tracks(centre[keep], slices[keep], gaps[keep], expected, total[keep], best[keep])


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
    pairs = KDTree(point).query_pairs(1.0, output_type="ndarray")
    better = np.where(rank[pairs[:, 0]] < rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    worse = pairs.sum(axis=1) - better
    undecided = np.ones(len(point), bool)
    peak = np.zeros(len(point), bool)
    while undecided.any():  # rounds of whole arrays; the same result as one by one in order
        beaten = np.zeros(len(point), bool)
        beaten[worse[undecided[better]]] = True
        new = undecided & ~beaten
        peak |= new
        undecided &= ~new
        undecided[worse[new[better]]] = False
    return order[peak[order]]


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


def _per_slice(
    depth: NDArray[np.float64], confidence: NDArray[np.float64], owner: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    # For each centre: slices with a box, first to last of them (voxels), sum of each one's best confidence, the best.
    owned = np.flatnonzero(owner < count)
    owned = owned[np.lexsort((-confidence[owned], depth[owned], owner[owned]))]
    first = np.ones(len(owned), bool)
    first[1:] = (np.diff(owner[owned]) != 0) | (np.diff(depth[owned]) != 0)
    leader = owned[first]
    best = np.zeros(count)
    np.maximum.at(best, owner[leader], confidence[leader])
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, owner[leader], depth[leader])
    np.maximum.at(high, owner[leader], depth[leader])
    return (
        np.bincount(owner[leader], minlength=count).astype(np.int64),
        np.where(high >= low, high - low, 0.0),
        np.bincount(owner[leader], confidence[leader], count).astype(np.float64),
        best,
    )
