"""Made-up inputs of the stages: literals, or drawn from fixed seeds and rounded, so that every machine has the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.folds import Fold
from postproc.candidates import concatenate, make_candidates
from tomograms.particles import CZII, Particle
from tomograms.picks import join_truth, make_truth
from tomograms.tomogram import Tomogram

BOX = np.array([1600.0, 1600.0, 480.0])  # Å
PAIR = (Particle("easy", 1, 60.0, 1.0), Particle("hard", 2, 90.0, 2.0))
TRIO = (*PAIR, Particle("unscored", 3, 130.0, 0.0))
BALL_AND_SHELL = (Particle("ball", 1, 60.0, 1.0), Particle("shell", 2, 90.0, 2.0))
RIBOSOME, VIRUS = CZII[3], CZII[5]


@dataclass(frozen=True)
class Quality:
    """What a made-up member sees: how far hits score above noise, which share of particles, how far off (Å)."""

    separation: float
    recall: float
    noise: float
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)


QUALITIES: Mapping[str, Quality] = {
    "first": Quality(2.5, 0.95, 6.0),
    "second": Quality(1.5, 0.85, 9.0, (0.0, 7.0, -5.0)),
    "third": Quality(0.7, 0.7, 12.0),
}


def leave_one_out(runs: Sequence[str]) -> tuple[Fold, ...]:
    """Return folds that hold out each run once."""
    return tuple(Fold((run,), tuple(other for other in runs if other != run)) for run in runs)


def members(
    seed: int,
    names: Sequence[str],
    *,
    runs: Sequence[str] = ("TS_0", "TS_1", "TS_2", "TS_3"),
    particles: Sequence[Particle] = PAIR,
    true: int = 9,
    false: int = 12,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return truth and the candidates of made-up members; every tenth false one lies where another species is."""
    rng = np.random.default_rng(seed)
    truths, tables = [], []
    for run in runs:
        centres = {p.name: np.round(rng.uniform(0, BOX, (true + int(rng.integers(4)), 3)), 1) for p in particles}
        truths += [make_truth(run, name, xyz) for name, xyz in centres.items()]
        others = np.concatenate(list(centres.values()))
        for name in names:
            quality = QUALITIES[name]
            for particle in particles:
                own = centres[particle.name]
                seen = own[rng.uniform(size=len(own)) < quality.recall]
                seen = seen + rng.normal(0, quality.noise, seen.shape) + np.array(quality.offset)
                noise = rng.uniform(0, BOX, (false, 3))
                noise[::10] = others[rng.integers(len(others), size=len(noise[::10]))]
                value = rng.normal(0, 1, len(seen) + false) - 1.5
                value[: len(seen)] += quality.separation
                position = np.round(np.concatenate([seen, noise]), 1)
                score = np.round(1 / (1 + np.exp(-1.5 * value)), 3)
                tables.append(make_candidates(run, particle.name, position, score, member=name, model=f"{run}-0"))
    return join_truth(truths), concatenate(tables)


def balls(
    name: str, seed: int, shape: tuple[int, int, int], particles: Sequence[Particle], centres: Sequence[Sequence[float]]
) -> tuple[Tomogram, pd.DataFrame]:
    """Return noise with dark balls at ``(z, y, x)``, of the species in turn, and their picks; voxels of 10 Å."""
    rng = np.random.default_rng(seed)
    volume = np.round(rng.normal(0, 1, shape), 3)
    grid = np.indices(shape)
    tables = []
    for number, centre in enumerate(centres):
        particle = particles[number % len(particles)]
        distance = np.sqrt(sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True)))
        volume[distance * 10.0 < particle.radius] -= 4
        tables.append(make_truth(name, particle.name, [[10.0 * c for c in reversed(centre)]]))
    return Tomogram(name, volume.astype(np.float32), 10.0), join_truth(tables)


def peaked_logits(
    shape: tuple[int, int, int], classes: int, peaks: Sequence[tuple[int, tuple[float, float, float], float, float]]
) -> NDArray[np.float16]:
    """Return logits ``(class, z, y, x)``: background 4, other classes -4 plus bumps (class, centre, height, width)."""
    logits = np.full((classes, *shape), -4.0)
    logits[0] = 4.0
    grid = np.indices(shape)
    for label, centre, height, width in peaks:
        squared = sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True))
        logits[label] += np.round(height * np.maximum(0.0, 1 - squared / width**2), 2)
    return logits.astype(np.float16)
