"""Training crops: drawn around particles and anywhere, flipped and turned; they depend on seed and step only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomograms.particles import Particle

PLACES = 100_000
"""Of crops inside a mask: more than are ever drawn."""


@dataclass(frozen=True)
class TrainingVolume:
    """A tomogram and its targets, padded so that every crop fits.

    Attributes
    ----------
    volume
        ``(z, y, x)`` float32, normalised.
    labels
        ``(z, y, x)`` uint8 on the output grid, ``stride`` times coarser.
    centres
        ``(n, 3)`` tomogram indices (z, y, x) of its picks.
    centre_labels
        ``(n,)`` their labels.
    places
        ``(m, 3)`` tomogram indices at which crops may be centred, ``None`` for anywhere.
    offsets
        ``(3, z, y, x)`` float16 on the output grid: vectors (z, y, x), for networks that predict some.
    """

    volume: NDArray[np.float32]
    labels: NDArray[np.uint8]
    centres: NDArray[np.float64]
    centre_labels: NDArray[np.int64]
    places: NDArray[np.int64] | None = None
    offsets: NDArray[np.float16] | None = None


def species_shares(particles: Sequence[Particle]) -> NDArray[np.float64]:  # (label,)
    """Return how often a crop is drawn for each species, by label: as often as the metric weighs it.

    A species that weighs little or nothing gets half of the smallest weight there is: it is still to be told from the
    others.
    """
    least = min((particle.weight for particle in particles if particle.weight > 0), default=2.0) / 2
    shares = np.zeros(1 + max((particle.label for particle in particles), default=0))
    for particle in particles:
        shares[particle.label] = max(particle.weight, least)
    return shares


def some_places(mask: NDArray[np.bool_]) -> NDArray[np.int64]:  # (n, 3)
    """Return voxels that lie in a mask ``(z, y, x)``, at most `PLACES` of them and evenly spread."""
    inside = np.flatnonzero(mask)
    return np.stack(np.unravel_index(inside[:: -(-len(inside) // PLACES)], mask.shape), axis=1)


def draw_batch(
    volumes: Sequence[TrainingVolume],
    *,
    size: tuple[int, int, int],
    batch: int,
    stride: int,
    around_picks: float,
    shares: NDArray[np.float64],  # (label,)
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float32] | None]:
    """Return ``batch`` augmented crops and their targets.

    With probability ``around_picks`` a crop holds a pick at a random place inside it; otherwise it lies anywhere, or
    around a place in the mask. The pick's species is drawn by ``shares`` from those that occur, however many picks of
    it there are. Each crop is flipped along every axis with probability one half, and turned by 90 degrees about z with
    probability one half if its sides in y and x are equal.

    Returns
    -------
    crops
        ``(batch, 1, z, y, x)`` float32.
    targets
        ``(batch, z/stride, y/stride, x/stride)`` uint8.
    offsets
        ``(batch, 3, z/stride, y/stride, x/stride)`` float32, turned as the crops are; ``None`` where volumes have none.
    """
    coarse = tuple(s // stride for s in size)
    crops = np.empty((batch, 1, *size), np.float32)
    targets = np.empty((batch, *coarse), np.uint8)
    offsets = None if volumes[0].offsets is None else np.empty((batch, 3, *coarse), np.float32)
    for i in range(batch):
        volume, start = _place(volumes, size, around_picks, shares, rng)
        low = [s // stride for s in start]
        whole = tuple(slice(stride * a, stride * a + s) for a, s in zip(low, size, strict=True))
        part = tuple(slice(a, a + s) for a, s in zip(low, coarse, strict=True))
        flips = tuple(int(axis) for axis in np.flatnonzero(rng.random(3) < 0.5))
        turned = bool(rng.random() < 0.5) and size[1] == size[2]
        crops[i, 0] = view_of(volume.volume[whole], flips, turned)
        targets[i] = view_of(volume.labels[part], flips, turned)
        if offsets is not None and volume.offsets is not None:
            offsets[i] = vectors_of(volume.offsets[:, *part], flips, turned)
    return crops, targets, offsets


def view_of(values: NDArray[Any], flips: Sequence[int], turned: bool) -> NDArray[Any]:  # (z, y, x)
    """Return ``(z, y, x)`` flipped along some axes and then, perhaps, turned by 90 degrees about z."""
    values = np.flip(values, tuple(flips))
    return np.rot90(values, axes=(1, 2)) if turned else values


def vectors_of(field: NDArray[Any], flips: Sequence[int], turned: bool) -> NDArray[Any]:  # (3, z, y, x)
    """Return a field of vectors (z, y, x) as it looks where what it lies in is flipped and turned; see `view_of`."""
    z, y, x = (view_of(-part if axis in flips else part, flips, turned) for axis, part in enumerate(field))
    return np.stack([z, -x, y] if turned else [z, y, x])


def _place(
    volumes: Sequence[TrainingVolume],
    size: tuple[int, int, int],
    around_picks: float,
    shares: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[TrainingVolume, NDArray[np.int64]]:
    """Return a volume and the index of the lowest corner of a crop in it."""
    if rng.random() < around_picks:
        species = np.unique(np.concatenate([v.centre_labels for v in volumes]))
        if len(species):
            label = rng.choice(species, p=shares[species] / shares[species].sum())
            counts = np.array([np.count_nonzero(v.centre_labels == label) for v in volumes])
            volume = volumes[rng.choice(len(volumes), p=counts / counts.sum())]
            centre = volume.centres[rng.choice(np.flatnonzero(volume.centre_labels == label))]
            start = np.floor(centre - rng.uniform(0.15, 0.85, 3) * size).astype(np.int64)
            return volume, np.clip(start, 0, np.asarray(volume.volume.shape) - size)
    volume = volumes[int(rng.integers(len(volumes)))]
    if volume.places is not None:
        start = volume.places[rng.integers(len(volume.places))] - np.asarray(size) // 2
        return volume, np.clip(start, 0, np.asarray(volume.volume.shape) - size)
    return volume, rng.integers(0, [n - s + 1 for n, s in zip(volume.volume.shape, size, strict=True)])
