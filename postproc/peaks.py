"""Class maps -> candidates: local maxima of the smoothed probability of each species, refined below the voxel."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from models.outputs import ClassMaps, Maps
from postproc.candidates import concatenate, make_candidates
from postproc.suppression import suppress
from tomograms.coordinates import to_angstrom
from tomograms.particles import Particle

SMOOTHING = 0.25
"""Standard deviation of the Gaussian, in particle radii: half of the ball that the networks learn."""
SEPARATION = 1.0
"""Two candidates of a species are at least this far apart, in particle radii."""
FLOOR = 1e-3
"""Smallest smoothed probability that is kept: with beta = 4 a hard species' best threshold lies low."""
TRUNCATE = 3.0
"""Standard deviations at which the Gaussian ends."""
MOST = 2000
"""Most candidates per tomogram and species."""
Peaks = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Fractional map indices (z, y, x) ``(n, 3)``, and scores ``(n,)``."""


def map_candidates(
    maps: ClassMaps,
    particles: Sequence[Particle],
    voxel_size: float,
    *,
    experiment: str,
    member: str,
    model: str,
) -> pd.DataFrame:
    """Return the candidates of one tomogram.

    Per species: softmax, Gaussian smoothing (which turns the plateau of a well learnt ball into a peak at its centre),
    voxels that are the largest within a box of half the separation, a parabola through their neighbours on each axis,
    then greedy suppression within `SEPARATION`, best first.

    Parameters
    ----------
    maps
        Of one tomogram.
    particles
        Every species; ``label`` is the channel.
    voxel_size
        Å per tomogram voxel.
    experiment, member, model
        Written into the rows.

    Returns
    -------
    pandas.DataFrame
        A candidates table; the score is the smoothed probability at the peak.
    """
    normaliser = _log_normaliser(maps.logits)

    def found(particle: Particle) -> Peaks:
        probability = np.exp(maps.logits[particle.label].astype(np.float32) - normaliser)
        return find_peaks(probability, map_radius(particle, maps, voxel_size))

    return peak_candidates(
        map(found, particles), maps, particles, voxel_size, experiment=experiment, member=member, model=model
    )


def map_radius(particle: Particle, maps: Maps, voxel_size: float) -> float:
    """Return a species' radius in map voxels."""
    return particle.radius / (voxel_size * maps.stride)


def peak_candidates(
    peaks: Iterable[Peaks],
    maps: Maps,
    particles: Sequence[Particle],
    voxel_size: float,
    *,
    experiment: str,
    member: str,
    model: str,
) -> pd.DataFrame:
    """Return the table of each species' peaks; see `map_candidates`."""
    tables = []
    for particle, (index, score) in zip(particles, peaks, strict=True):
        position = to_angstrom(np.asarray(maps.origin) + index * maps.stride, voxel_size)
        tables.append(make_candidates(experiment, particle.name, position, score, member=member, model=model))
    return concatenate(tables)


def find_peaks(
    probability: NDArray[np.float32],  # (z, y, x)
    radius: float,
    *,
    way: NDArray[np.float16] | None = None,  # (3, z, y, x)
) -> Peaks:
    """Return the peaks of one species' map, best first (ties by z, y, x).

    Parameters
    ----------
    probability
        In [0, 1].
    radius
        Particle radius in map voxels.
    way
        Where the peak lies from each map voxel, (z, y, x) in map voxels; by default a parabola says it.

    Returns
    -------
    index
        ``(n, 3)`` fractional map indices (z, y, x).
    score
        ``(n,)`` smoothed probability.
    """
    smooth = ndimage.gaussian_filter(probability, SMOOTHING * radius, mode="constant", truncate=TRUNCATE)
    peak = (smooth >= FLOOR) & (smooth == box_maximum(smooth, box_side(radius)))
    return refine(np.argwhere(peak), lambda index: smooth[tuple(index.T)], smooth.shape, radius, way=way)


def box_side(radius: float) -> int:
    """Return the odd side of the box, half of `SEPARATION` each way, in which a peak is the largest."""
    return 2 * max(1, round(0.5 * SEPARATION * radius)) + 1


def refine(
    index: NDArray[np.int64],  # (n, 3) zyx
    look: Callable[[NDArray[np.int64]], NDArray[np.float32]],  # (n, 3) -> (n,)
    shape: Sequence[int],
    radius: float,
    *,
    way: NDArray[np.float16] | None = None,  # (3, z, y, x)
) -> Peaks:
    """Return largest voxels as `find_peaks` does: in order, below the voxel, none near a better one.

    Parameters
    ----------
    index
        The voxels.
    look
        Reads the smoothed map.
    shape
        Of the map, (z, y, x).
    radius
        Particle radius in map voxels.
    way
        See `find_peaks`.
    """
    score = look(index).astype(np.float64)
    order = np.lexsort((index[:, 2], index[:, 1], index[:, 0], -score))[: 4 * MOST]
    index, score = index[order], score[order]
    shift = _parabola(look, shape, index) if way is None else way[:, *index.T].T.astype(np.float64)
    place: NDArray[np.float64] = np.clip(index + shift, -0.5, np.asarray(shape) - 0.5)
    pairs = cKDTree(place).query_pairs(SEPARATION * radius, output_type="ndarray")
    keep = np.flatnonzero(suppress(pairs, len(place)))[:MOST]
    return place[keep], score[keep]


def box_maximum(
    values: NDArray[np.float32],  # (z, y, x), at least 0
    size: int,
) -> NDArray[np.float32]:  # (z, y, x)
    """Return the largest value within the cube of odd side ``size`` around each voxel; nothing lies beyond the edges.

    The same as `scipy.ndimage.maximum_filter`, several times as fast: maxima of 2, 4, 8, ... neighbours are built from
    each other by whole-array operations, plane by plane while a plane is in the processor's cache.
    """
    out = np.empty_like(values)
    for plane, target in zip(values, out, strict=True):
        target[...] = _running_maximum(_running_maximum(plane, size, 0), size, 1)
    return _running_maximum(out, size, 0)


def _running_maximum(values: NDArray[np.float32], size: int, axis: int) -> NDArray[np.float32]:
    """Return the largest of the ``size`` values around each along an axis."""
    half = size // 2
    out = np.pad(values, [(half, half) if i == axis else (0, 0) for i in range(values.ndim)])
    width = 1
    while width < size:
        step = min(width, size - width)
        low, high = (
            tuple(cut if i == axis else slice(None) for i in range(values.ndim))
            for cut in (slice(None, -step), slice(step, None))
        )
        out = np.maximum(out[low], out[high])
        width += step
    return out


def _log_normaliser(logits: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return log(sum(exp(logits))) over the classes, plane by plane to save memory."""
    out = np.empty(logits.shape[1:], np.float32)
    for z, target in enumerate(out):
        plane = logits[:, z].astype(np.float32)
        largest = plane.max(axis=0)
        plane -= largest
        np.log(np.exp(plane, out=plane).sum(axis=0), out=target)
        target += largest
    return out


def _parabola(
    look: Callable[[NDArray[np.int64]], NDArray[np.float32]], shape: Sequence[int], index: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the offset (-0.5 to 0.5 on each axis) of the parabola's top through a peak and its two neighbours.

    On the logarithm: a Gaussian's top is then found exactly.
    """
    offset = np.zeros(index.shape)
    tiny = 1e-12
    for axis in range(3):
        step = np.zeros(3, int)
        step[axis] = 1
        inner = (index[:, axis] > 0) & (index[:, axis] < shape[axis] - 1)
        at = index[inner]
        below, here, above = (np.log(look(at + k * step).astype(np.float64) + tiny) for k in (-1, 0, 1))
        curvature = below - 2 * here + above
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = np.where(curvature < 0, 0.5 * (below - above) / curvature, 0.0)
        offset[inner, axis] = np.clip(shift, -0.5, 0.5)
    return offset
