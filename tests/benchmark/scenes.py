"""Made-up inputs: a tomogram of dark balls, class maps, candidates, a briefly trained U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.outputs import ClassMaps
from tests.benchmark.scale import VOXEL_SIZE, Scale
from tomograms.coordinates import to_angstrom, to_index
from tomograms.particles import CZII
from tomograms.tomogram import Tomogram, normalise

if TYPE_CHECKING:
    from models.window_predictor import WindowPredictor

CELL = 33.0
"""Voxels between the particles of a scene, which lie on a shaken lattice: no two of them touch."""
SHAKE = 1.4


def lattice_truth(shape: Sequence[int], per_species: int, seed: int = 0) -> pd.DataFrame:
    """Return ``experiment, particle_type, x, y, z`` (Å) of at most ``per_species`` particles of each species."""
    rng = np.random.default_rng(seed)
    counts = [max(1, int(n // CELL)) for n in shape]
    cells = np.stack(np.unravel_index(rng.permutation(int(np.prod(counts))), counts), axis=1)
    number = min(per_species, len(cells) // len(CZII))
    cells = cells[: number * len(CZII)]
    centre = (cells + 0.5) * (np.array(shape) / counts) - 0.5 + rng.uniform(-SHAKE, SHAKE, cells.shape)
    x, y, z = to_angstrom(centre, VOXEL_SIZE).T
    names = np.repeat([particle.name for particle in CZII], number)
    return pd.DataFrame({"experiment": "TS_1", "particle_type": names, "x": x, "y": y, "z": z})


def box(
    centre: NDArray[np.float64], reach: float, shape: Sequence[int]
) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """Return the voxels within ``reach`` of a centre along each axis, and their squared distances."""
    low = np.maximum(np.floor(centre - reach).astype(int), 0)
    high = np.minimum(np.ceil(centre + reach).astype(int) + 1, shape)
    place = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return place, sum((g - c) ** 2 for g, c in zip(np.ogrid[place], centre, strict=True))


def each(truth: pd.DataFrame, stride: int, origin: float):
    """Yield label, centre (map index) and radius (map voxels) of each particle."""
    centres = (to_index(truth[["x", "y", "z"]].to_numpy(), VOXEL_SIZE) - origin) / stride
    species = {particle.name: particle for particle in CZII}
    for name, centre in zip(truth["particle_type"], centres, strict=True):
        yield species[name].label, centre, species[name].radius / (VOXEL_SIZE * stride)


def class_maps(
    shape: Sequence[int], per_species: int, *, noise: float, stride: int = 2
) -> tuple[ClassMaps, pd.DataFrame]:
    """Return logits whose softmax is a Gaussian of height 0.9 around each particle, and the truth.

    Parameters
    ----------
    shape
        Of the tomogram, (z, y, x).
    per_species
        Particles of each species.
    noise
        Standard deviation of the noise on the logits.
    stride
        Of the maps.
    """
    truth = lattice_truth(shape, per_species)
    size = [-(-n // stride) for n in shape]
    origin = (stride - 1) / 2
    probability = np.full((1 + len(CZII), *size), 1e-6, np.float32)
    for label, centre, radius in each(truth, stride, origin):
        place, squared = box(centre, 2.2 * radius, size)
        here = probability[(label, *place)]
        np.maximum(here, 0.9 * np.exp(-squared / (2 * (0.5 * radius) ** 2)), out=here, casting="unsafe")
    probability[0] = 1 - probability[1:].sum(0).clip(0, 0.999)
    logits = np.log(probability, out=probability)
    if noise:
        rng = np.random.default_rng(1)
        for channel in logits:
            channel += noise * rng.standard_normal(channel.shape, np.float32)
    return ClassMaps(logits.astype(np.float16), stride, (origin, origin, origin)), truth


def label_map(shape: Sequence[int], truth: pd.DataFrame, *, fraction: float) -> NDArray[np.uint8]:
    """Return a map of balls of ``fraction`` of the radius: what a perfect network's argmax would be."""
    labels = np.zeros(shape, np.uint8)
    for label, centre, radius in each(truth, 1, 0.0):
        place, squared = box(centre, fraction * radius, shape)
        labels[place][squared <= (fraction * radius) ** 2] = label
    return labels


@cache
def tomogram(shape: tuple[int, int, int], seed: int = 0) -> tuple[Tomogram, pd.DataFrame]:
    """Return a normalised tomogram of noise with dark balls, and the truth."""
    truth = lattice_truth(shape, 10_000, seed)
    volume = np.random.default_rng(seed).standard_normal(shape, np.float32)
    for label, centre, radius in each(truth, 1, 0.0):
        place, squared = box(centre, radius, shape)
        volume[place] -= (1.0 + 0.3 * label) * (squared <= (0.9 * radius) ** 2)
    return Tomogram("TS_1", normalise(volume, out=volume), VOXEL_SIZE), truth


def scored(runs: int, per_species: int, candidates: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return truth and candidates: hits, near misses and strays, with scores that tell some of them apart.

    Per run ``candidates`` of them, and ``per_species`` true particles of each species, in the competition's volume.
    """
    rng = np.random.default_rng(seed)
    size = np.array([6300.0, 6300.0, 1840.0])
    radius = {particle.name: particle.radius for particle in CZII}
    names = np.repeat(list(radius), per_species)
    truths, tables = [], []
    for run in range(runs):
        xyz = rng.uniform(0, size, (len(names), 3))
        truths.append(pd.DataFrame({"experiment": f"TS_{run}", "particle_type": names, **_columns(xyz)}))
        near = rng.permutation(len(names))[: min(len(names), candidates // 3)]
        spread = np.array([radius[name] for name in names[near]])[:, None] * rng.normal(0, 0.3, (len(near), 3))
        stray = rng.choice(list(radius), candidates - len(near))
        score = np.concatenate([rng.beta(5, 2, len(near)), rng.beta(1, 5, len(stray))])
        where = np.concatenate([xyz[near] + spread, rng.uniform(0, size, (len(stray), 3))])
        kinds = np.concatenate([names[near], stray])
        tables.append(
            pd.DataFrame({"experiment": f"TS_{run}", "particle_type": kinds, **_columns(where), "score": score})
        )
    text = {"experiment": object, "particle_type": object}
    return tuple(pd.concat(parts, ignore_index=True).astype(text) for parts in (truths, tables))


def _columns(xyz: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return dict(zip("xyz", xyz.T, strict=True))


def unet_settings(scale: Scale) -> Any:
    """Return the settings of the U-Net that is timed."""
    from models.unet.settings import SHORT

    if scale.full:
        return replace(SHORT, steps=40, epoch_steps=1000, batch=1, crop=(48, 96, 96))
    tiny = {"stem": 4, "channels": (4, 6, 8), "strides": (1, 2), "init": "scratch"}
    return replace(SHORT, steps=3, epoch_steps=1000, crop=(12, 32, 32), window=(24, 32, 32), **tiny)


@cache
def unet(scale: Scale) -> WindowPredictor:
    """Return the given U-Net, or one that was trained for some steps, so that its probabilities are no mere noise.

    It takes one view, as the peers' ways do.
    """
    predictor = _trained(scale)
    predictor.views = 1
    return predictor


def _trained(scale: Scale) -> WindowPredictor:
    from models.member import Training
    from models.registry import get_member

    member = get_member("unet")
    if scale.weights is not None:
        return member.load(scale.weights, scale.device)
    train, truth = tomogram(scale.pick((96, 224, 224), (24, 70, 104)), seed=7)
    with TemporaryDirectory() as folder:
        training = Training([train], truth, None, CZII, unet_settings(scale), 0, Path(folder), scale.device)
        member.fit(training, lambda done, total, note: None)
        return member.load(Path(folder), scale.device)
