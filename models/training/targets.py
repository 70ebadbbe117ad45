"""Targets: small balls around the picks, and the ways to their centres, on the grid of a network's output."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tomograms.coordinates import to_index
from tomograms.particles import Particle

IGNORED = 255
"""Stands in targets for voxels that lie outside a mask: no loss looks at them."""


def ball_targets(
    picks: pd.DataFrame,
    shape: tuple[int, int, int],
    voxel_size: float,
    *,
    particles: Sequence[Particle],
    radius_fraction: float,
    stride: int,
    origin: float,
) -> NDArray[np.uint8]:
    """Return the label of every map voxel: that of the pick whose ball it lies in; see `ball_offsets`.

    Parameters
    ----------
    picks
        Of one tomogram: ``particle_type, x, y, z`` (Å).
    shape
        Of the map, (z, y, x).
    voxel_size
        Å per voxel of the tomogram.
    particles
        Every species.
    radius_fraction
        Radius of the balls in particle radii.
    stride, origin
        Of the map: index ``i`` lies at tomogram index ``origin + i * stride``.

    Returns
    -------
    NDArray
        ``(z, y, x)`` uint8: 0 for background, else `Particle.label`.
    """
    labels = np.zeros(shape, np.uint8)
    for box, mine, particle, _ in _balls(picks, shape, voxel_size, particles, radius_fraction, stride, origin):
        labels[box][mine] = particle.label
    return labels


def ball_offsets(
    picks: pd.DataFrame,
    shape: tuple[int, int, int],
    voxel_size: float,
    *,
    particles: Sequence[Particle],
    radius_fraction: float,
    stride: int,
    origin: float,
) -> NDArray[np.float16]:
    """Return the way from every map voxel in a ball to that ball's centre; the arguments are those of `ball_targets`.

    Returns
    -------
    NDArray
        ``(3, z, y, x)`` float16, (z, y, x) in map voxels; 0 where `ball_targets` has background.
    """
    offsets = np.zeros((3, *shape), np.float16)
    for box, mine, _, way in _balls(picks, shape, voxel_size, particles, radius_fraction, stride, origin):
        for axis in range(3):
            offsets[axis][box][mine] = np.broadcast_to(way[axis], mine.shape)[mine]
    return offsets


def _balls(
    picks: pd.DataFrame,
    shape: tuple[int, int, int],
    voxel_size: float,
    particles: Sequence[Particle],
    radius_fraction: float,
    stride: int,
    origin: float,
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.bool_], Particle, list[NDArray[np.float64]]]]:
    """Yield, pick by pick: a box of the map, which of its voxels are the pick's, its species, the way to its centre.

    A voxel belongs to the pick that is nearest in units of its ball's radius, if it lies within that radius (<= 1); the
    voxel nearest to a pick always belongs to it, so that no particle vanishes between voxels. A later pick may take a
    voxel from an earlier one.
    """
    nearest = np.full(shape, np.inf, np.float32)
    for particle in particles:
        rows = picks[picks["particle_type"] == particle.name]
        centres = (to_index(rows[["x", "y", "z"]].to_numpy(), voxel_size) - origin) / stride
        radius = particle.radius * radius_fraction / (voxel_size * stride)
        for centre in centres:
            low = np.maximum(np.floor(centre - radius).astype(int), 0)
            high = np.minimum(np.ceil(centre + radius).astype(int) + 1, shape)
            core = np.clip(np.rint(centre).astype(int), 0, np.asarray(shape) - 1)
            low, high = np.minimum(low, core), np.maximum(high, core + 1)
            box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            way = [c - axis for axis, c in zip(np.ogrid[box], centre, strict=True)]
            distance = (np.sqrt(sum(axis**2 for axis in way)) / radius).astype(np.float32)
            distance[tuple(core - low)] = 0.0
            mine = (distance <= 1.0) & (distance < nearest[box])
            nearest[box][mine] = distance[mine]
            yield box, mine, particle, way


def ignore_outside(labels: NDArray[np.uint8], mask: NDArray[np.bool_], *, stride: int, origin: float) -> None:
    """Set the labels of map voxels outside a tomogram's mask to `IGNORED`, in place.

    Parameters
    ----------
    labels
        ``(z, y, x)``, of the map.
    mask
        ``(z, y, x)``, of the tomogram.
    stride, origin
        See `ball_targets`; the nearest voxel of the tomogram decides.
    """
    index = (
        np.clip(np.rint(origin + stride * np.arange(n)).astype(np.int64), 0, size - 1)
        for n, size in zip(labels.shape, mask.shape, strict=True)
    )
    labels[~mask[np.ix_(*index)]] = IGNORED


def mirrored_picks(picks: pd.DataFrame, shape: Sequence[int], grown: Sequence[int], voxel_size: float) -> pd.DataFrame:
    """Return the picks of a volume that was grown at its far ends by its mirror image: with their own images.

    Along an axis of n voxels, index i has its images at 2n - 1 - i, 2n + i, and so on.

    Parameters
    ----------
    picks
        ``particle_type, x, y, z`` (Å), and whatever else.
    shape, grown
        Of the volume before and after, (z, y, x).
    voxel_size
        Å.
    """
    for axis, old, new in zip("zyx", shape, grown, strict=True):
        period = 2 * old * voxel_size
        images = [picks]
        for start in range(0, new, 2 * old):
            offset = start * voxel_size
            mirrored = offset + period - voxel_size - picks[axis]
            images += [picks.assign(**{axis: mirrored}), picks.assign(**{axis: offset + period + picks[axis]})]
        low, high = (old - 0.5) * voxel_size, (new - 0.5) * voxel_size  # what the mirror image fills
        inside = [table[(table[axis] > low) & (table[axis] <= high)] for table in images[1:]]
        picks = pd.concat([picks, *(table for table in inside if len(table))], ignore_index=True)
    return picks
