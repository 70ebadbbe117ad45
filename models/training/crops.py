"""Training crops: drawn around particles and anywhere, flipped and turned; they depend on seed and step only."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    """

    volume: NDArray[np.float32]
    labels: NDArray[np.uint8]
    centres: NDArray[np.float64]
    centre_labels: NDArray[np.int64]
    places: NDArray[np.int64] | None = None


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
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
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
    """
    crops = np.empty((batch, 1, *size), np.float32)
    targets = np.empty((batch, *(s // stride for s in size)), np.uint8)
    for i in range(batch):
        volume, start = _place(volumes, size, around_picks, shares, rng)
        low = [s // stride for s in start]
        crop = volume.volume[tuple(slice(stride * a, stride * a + s) for a, s in zip(low, size, strict=True))]
        target = volume.labels[tuple(slice(a, a + s // stride) for a, s in zip(low, size, strict=True))]
        flips = tuple(int(axis) for axis in np.flatnonzero(rng.random(3) < 0.5))
        crop, target = np.flip(crop, flips), np.flip(target, flips)
        if rng.random() < 0.5 and size[1] == size[2]:
            crop, target = np.rot90(crop, axes=(1, 2)), np.rot90(target, axes=(1, 2))
        crops[i, 0], targets[i] = crop, target
    return crops, targets


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
