"""Boxes of neighbouring slices become particles: 3D centroids that keep a score.

A sphere of radius R shows in a stack of slices as boxes around one point, in 2R of depth; the missing wedge draws it
out further. So each box asks how much confidence lies around it within such an ellipsoid; the boxes with most support,
one in a column where no second sphere fits, are the particles, and every box belongs to the nearest of them. Unlike
chains from slice to slice, this neither merges two particles that lie on top of each other nor breaks where a slice is
missed, and it treats weak boxes like strong ones, so that long low-score tails keep their positions.

A score asks for two things: that the slices through a particle's middle show it, and that slices beyond its ends don't.
Membranes, larger particles and noise that has been smeared out run on, and look like any particle in a single slice.
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
from postproc.suppression import suppress
from tomograms.coordinates import to_angstrom
from tomograms.particles import Particle

REACH = 0.5  # across the slices, in radii: boxes of one particle lie within this distance of its centre
DEPTH = 1.4  # along the slicing axis, in radii: the same, with what the missing wedge adds
COLUMN = 2.0  # along the slicing axis, in radii: no two spheres of a species lie closer on top of each other
CORE = 0.5  # half the depth, in radii, in which every slice should show the particle
RIM = 0.9  # distance along the slicing axis, in radii, from which on no slice should
HALO = 2.1  # how far along the slicing axis, in radii, boxes beyond the rim are looked for


@dataclass(frozen=True)
class Tracks:
    """The particles of one species that the boxes of one tomogram show, n in all.

    Attributes
    ----------
    centre
        ``(n, 3)`` tomogram index (z, y, x).
    slices
        ``(n,)`` number of slices within `DEPTH` in which a box belongs to it.
    gaps
        ``(n,)`` number of slices between its first and last one in which none does.
    expected
        Number of slices within `CORE`.
    inside, outside
        ``(n,)`` sum over slices of the best box's confidence, within `CORE`, and beyond `RIM`; a slice stands for what
        lies around it, and counts by how much of that does.
    mean, best
        ``(n,)`` mean over ``slices`` of the best box's confidence, and the largest.
    """

    centre: NDArray[np.float64]
    slices: NDArray[np.int64]
    gaps: NDArray[np.int64]
    expected: float
    inside: NDArray[np.float64]
    outside: NDArray[np.float64]
    mean: NDArray[np.float64]
    best: NDArray[np.float64]

    @property
    def share(self) -> NDArray[np.float64]:
        """``(n,)`` inside / (inside + outside), 0 where both are."""
        return self.inside / np.maximum(self.inside + self.outside, np.finfo(float).tiny)

    @property
    def score(self) -> NDArray[np.float64]:
        """``(n,)`` mean confidence over the expected slices, at most 1, times `share`."""
        return np.minimum(self.inside / self.expected, 1.0) * self.share

    def __getitem__(self, rows: NDArray[np.int64]) -> Tracks:
        """Return these particles."""
        columns = (getattr(self, name)[rows] for name in ("inside", "outside", "mean", "best"))
        return Tracks(self.centre[rows], self.slices[rows], self.gaps[rows], self.expected, *columns)


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
        ``experiment, particle_type, x, y, z`` (Å), ``slices`` (with a box), ``expected`` (slices through its middle),
        ``gaps`` (slices without one in between), ``mean_confidence`` (over the slices with a box), ``best_confidence``,
        ``inside_share`` (of the confidence in its middle and beyond its ends); by species, best score first.
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
            "mean_confidence": track.mean,
            "best_confidence": track.best,
            "inside_share": track.share,
        }
        tables.append(pd.DataFrame(columns, index=range(len(order))).iloc[order])
    return pd.concat(tables, ignore_index=True)


def link(boxes: SliceBoxes, label: int, radius: float) -> Tracks:
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
    axis = boxes.axis
    point, confidence = _points(boxes, label)
    if not len(point):
        return _tracks(np.empty(0), np.empty(0), np.empty(0, np.int64), np.empty((0, 3)), boxes, radius)

    def scale(depth: float) -> NDArray[np.float64]:  # (3,), by which "within reach" is a unit distance
        return np.where(np.arange(3) == axis, 1 / depth, 1 / REACH) / radius

    near, apart, wide = scale(DEPTH), scale(COLUMN), scale(HALO)
    # One seed a column: two in one long track would each draw half of its boxes, and both end up beside the particle.
    scaled = point * near
    centre = point[_peaks(point * apart, _support(scaled, confidence))]
    centre = _means(point, confidence, _owners(scaled, centre * near), centre)
    owner = _owners(point * wide, centre * wide)
    tracks = _tracks(point[:, axis], confidence, owner, centre, boxes, radius)
    score = tracks.score
    best = _peaks(centre * apart, score)
    return tracks[best[score[best] > 0]]


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


def _tracks(
    depth: NDArray[np.float64],  # (box,) along the slicing axis, voxels
    confidence: NDArray[np.float64],  # (box,)
    owner: NDArray[np.int64],  # (box,)
    centre: NDArray[np.float64],  # (n, 3)
    boxes: SliceBoxes,
    radius: float,
) -> Tracks:
    """Return what the boxes of each centre say of it; in every slice only its best box counts."""
    count, step = len(centre), boxes.step
    owned = np.flatnonzero(owner < count)
    owned = owned[np.lexsort((-confidence[owned], depth[owned], owner[owned]))]
    first = np.ones(len(owned), bool)
    first[1:] = (np.diff(owner[owned]) != 0) | (np.diff(depth[owned]) != 0)
    leader = owned[first]
    of, z, value = owner[leader], depth[leader], confidence[leader]
    away = np.abs(z - centre[of, boxes.axis])

    def total(part: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.bincount(of, part * value, count).astype(np.float64)

    body = away <= DEPTH * radius
    slices = np.bincount(of[body], minlength=count).astype(np.int64)
    low, high, best = np.full(count, np.inf), np.full(count, -np.inf), np.zeros(count)
    np.minimum.at(low, of[body], z[body])
    np.maximum.at(high, of[body], z[body])
    np.maximum.at(best, of[body], value[body])
    length = np.where(slices > 0, high - low, 0.0)
    return Tracks(
        centre=centre,
        slices=slices,
        gaps=np.maximum(np.rint(length / step).astype(np.int64) + 1 - slices, 0),
        expected=max(1.0, 2 * CORE * radius / step),
        inside=total(np.clip((CORE * radius - away) / step + 0.5, 0, 1)),
        outside=total(np.clip((away - RIM * radius) / step + 0.5, 0, 1)),
        mean=total(body.astype(np.float64)) / np.maximum(slices, 1),
        best=best,
    )
