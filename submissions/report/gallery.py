"""The pictures of a report: slices, cut-outs and averages, from a few tomograms that are read one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from evaluation.matching import positions
from submissions.report.cutouts import contrast, planes, strip, to_grey
from submissions.report.layers import FALSE_POSITIVE, FOUND, HIT
from submissions.report.material import Layer, Material
from submissions.report.selection import chosen_crops, chosen_tomograms
from tomograms.appearance import appearance
from tomograms.coordinates import to_index
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

WIDEST = 480
"""Pixels of a slice; wider ones are made smaller."""
SLAB = 5
"""Voxels across a slice that are averaged."""
AVERAGED = (HIT, FALSE_POSITIVE, FOUND)
MOST = 300
"""Particles of a kind and tomogram that enter an average."""


@dataclass(frozen=True)
class Slice:
    """One slice of a tomogram.

    Attributes
    ----------
    plane
        ``xy`` or ``xz``.
    level
        Å along the third axis.
    grey
        ``(rows, columns)``; rows run along y or z.
    marks
        ``column, row`` in pixels, ``particle_type, kind, score`` of the particles that it cuts.
    """

    plane: str
    level: float
    grey: NDArray[np.uint8]
    marks: pd.DataFrame


@dataclass(frozen=True)
class Crop:
    """Three planes through one particle: ``grey`` (rows, columns), and the row that it comes from."""

    grey: NDArray[np.uint8]
    experiment: str
    score: float
    kind: str


@dataclass(frozen=True)
class Average:
    """The mean of several particles' planes."""

    grey: NDArray[np.uint8]
    count: int


@dataclass
class Gallery:
    """All pictures.

    Attributes
    ----------
    slices
        Two by tomogram, in the order of reading.
    crops
        Species -> ``surest``, ``borderline``, ``missed``.
    averages
        Species -> kind of mark.
    problems
        Tomograms that could not be read, one line each.
    """

    slices: dict[str, tuple[Slice, Slice]] = field(default_factory=dict)
    crops: dict[str, dict[str, list[Crop]]] = field(default_factory=dict)
    averages: dict[str, dict[str, Average]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def gather_gallery(material: Material, advance: Callable[[str], None] = lambda name: None) -> Gallery:
    """Return the pictures; none where the tomograms are not at hand.

    Parameters
    ----------
    material
        What is reported.
    advance
        Told of each tomogram that has been read.
    """
    gallery = Gallery()
    if material.dataset is None or not material.layers:
        return gallery
    names = chosen_tomograms(material)
    wanted = chosen_crops(material.layers, names)
    cut: dict[tuple[str, str], dict[int, Crop]] = {}
    sums: dict[tuple[str, str], tuple[NDArray[np.float64], int]] = {}
    for name in names:
        try:
            tomogram = material.dataset.tomogram(name)
            refuse_changed(material, tomogram)
        except InputError as error:
            gallery.problems.append(f"{name}: {error}")
            continue
        marks = _layer_of(material, name).marks
        marks = marks[marks["experiment"] == name].reset_index(drop=True)
        gallery.slices[name] = slices(tomogram, marks, material.particles)
        for particle in material.particles:
            for group, rows in wanted.get(particle.name, {}).items():
                cut.setdefault((particle.name, group), {}).update(_crops(tomogram, rows, particle))
            _add(sums, tomogram, marks[marks["particle_type"] == particle.name], particle)
        advance(name)
    for (species, group), crops in cut.items():
        order = [row for row in wanted[species][group].index if row in crops]
        gallery.crops.setdefault(species, {})[group] = [crops[row] for row in order]
    gallery.averages = _averages(sums)
    return gallery


def refuse_changed(material: Material, tomogram: Tomogram) -> None:
    """Refuse a tomogram that is not the one in which candidates were found: its marks would lie anywhere.

    Raises
    ------
    InputError
        If a held-out one looks otherwise than ``run.json`` tells, or a new one has another fingerprint.
    """
    name = tomogram.name
    if name in material.stored:
        assert material.dataset is not None
        made_from = {one.volume for one in material.stored[name].values()}
        same = not made_from or material.dataset.volume_hash(name) in made_from
    else:
        known = material.run.record.appearances.get(name)
        same = known is None or bool(np.allclose(astuple(known), astuple(appearance(tomogram)), rtol=1e-3, atol=1e-6))
    if not same:
        raise InputError("this is not the tomogram that candidates were found in; it has changed since")


def slices(tomogram: Tomogram, marks: pd.DataFrame, particles: tuple[Particle, ...]) -> tuple[Slice, Slice]:
    """Return the xy and the xz slice that cut the most particles, with what they cut.

    Parameters
    ----------
    tomogram
        Normalised.
    marks
        Of this tomogram: ``particle_type, x, y, z`` (Å), ``score, kind``.
    particles
        Every species.
    """
    index = to_index(positions(marks), tomogram.voxel_size)
    radius = {particle.name: particle.radius / tomogram.voxel_size for particle in particles}
    reach = np.asarray(marks["particle_type"].map(radius), np.float64)
    made = []
    for plane, axis in (("xy", 0), ("xz", 1)):
        level = _fullest(index[:, axis], reach, tomogram.volume.shape[axis])
        first, last = max(0, level - SLAB // 2), level + SLAB // 2 + 1
        picture = tomogram.volume.take(range(first, min(last, tomogram.volume.shape[axis])), axis=axis).mean(axis=axis)
        grey = to_grey(picture, *contrast([picture]))
        shrink = min(1.0, WIDEST / grey.shape[1])
        if shrink < 1:
            size = (WIDEST, max(1, round(grey.shape[0] * shrink)))
            grey = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.LANCZOS))
        near = np.abs(index[:, axis] - level) <= reach
        rows = index[near][:, 1 if plane == "xy" else 0]
        cut = marks.loc[near, ["particle_type", "kind", "score"]].assign(
            column=(index[near][:, 2] + 0.5) * shrink, row=(rows + 0.5) * shrink
        )
        made.append(Slice(plane, level * tomogram.voxel_size, grey, cut.reset_index(drop=True)))
    return made[0], made[1]


def _fullest(place: NDArray[np.float64], reach: NDArray[np.float64], size: int) -> int:
    """Return the slice that cuts the most particles; of equal ones the nearest to the middle."""
    level = np.arange(size)
    number = (np.abs(place[:, None] - level) <= reach[:, None]).sum(axis=0)
    best = np.flatnonzero(number == number.max(initial=0))
    return int(best[np.argmin(np.abs(best - (size - 1) / 2))])


def _layer_of(material: Material, name: str) -> Layer:
    (layer, *_) = [layer for layer in material.layers if name in layer.names]
    return layer


def _crops(tomogram: Tomogram, rows: pd.DataFrame, particle: Particle) -> dict[int, Crop]:
    """Return the cut-outs of those rows that lie in this tomogram, by the rows' index."""
    own = rows[rows["experiment"] == tomogram.name]
    cuts = planes(tomogram, positions(own), particle.radius)
    return {
        int(index): Crop(strip(cut, *contrast([cut])), tomogram.name, float(score), str(kind))
        for cut, index, score, kind in zip(cuts, own.index, own["score"], own["kind"], strict=True)
    }


def _add(
    sums: dict[tuple[str, str], tuple[NDArray[np.float64], int]],
    tomogram: Tomogram,
    marks: pd.DataFrame,
    particle: Particle,
) -> None:
    """Add one tomogram's particles of one species to what will be averaged."""
    for kind in AVERAGED:
        own = marks[marks["kind"] == kind].head(MOST)
        if len(own):
            total, count = sums.get((particle.name, kind), (0.0, 0))
            cuts = planes(tomogram, positions(own), particle.radius)
            sums[particle.name, kind] = (total + cuts.sum(axis=0, dtype=np.float64), count + len(own))


def _averages(sums: Mapping[tuple[str, str], tuple[NDArray[np.float64], int]]) -> dict[str, dict[str, Average]]:
    """Return the averages; those of one species share black and white, so that their strength can be compared."""
    means = {key: total / count for key, (total, count) in sums.items()}
    out: dict[str, dict[str, Average]] = {}
    for (species, kind), mean in means.items():
        levels = contrast([other for (name, _), other in means.items() if name == species])
        out.setdefault(species, {})[kind] = Average(strip(mean, *levels), sums[species, kind][1])
    return out
