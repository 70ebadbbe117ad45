"""Made-up truth and members of known quality: what fusion is tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.folds import Fold
from postproc.candidates import concatenate, make_candidates
from tomograms.particles import Particle
from tomograms.picks import join_truth, make_truth

BOX = np.array([1600.0, 1600.0, 480.0])  # Å
PAIR = (Particle("easy", 1, 60.0, 1.0), Particle("hard", 2, 90.0, 2.0))


@dataclass(frozen=True)
class Quality:
    """What a made-up member sees.

    Attributes
    ----------
    separation
        How far hits score above false positives, in standard deviations, by species.
    recall
        Share of true particles that it has a candidate for.
    false_positives
        Mean number of them per experiment and species.
    noise
        Standard deviation of its positions per axis, in radii.
    shared
        Share of its score's variance that comes from the particle and not from the member: 0 for independent errors.
    """

    separation: Mapping[str, float]
    recall: float = 0.97
    false_positives: int = 60
    noise: float = 0.12
    shared: float = 0.0


def folds_of(experiments: Sequence[str]) -> tuple[Fold, ...]:
    """Return leave-one-out folds."""
    return tuple(Fold((e,), tuple(o for o in experiments if o != e)) for e in experiments)


def make_data(
    members: Mapping[str, Quality],
    *,
    seed: int,
    experiments: int = 7,
    particles: Sequence[Particle] = PAIR,
    particles_per_experiment: int = 20,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return truth and the members' candidates of experiments ``TS_0``, ``TS_1``, ..."""
    rng = np.random.default_rng(seed)
    truths, tables = [], []
    for number in range(experiments):
        name = f"TS_{number}"
        level = rng.normal(0, 0.3)  # tomograms differ
        for particle in particles:
            centres = rng.uniform(0, BOX, (max(2, rng.poisson(particles_per_experiment)), 3))
            hardness = rng.normal(size=len(centres))
            truths.append(make_truth(name, particle.name, centres))
            for member, quality in members.items():
                seen = rng.uniform(size=len(centres)) < quality.recall
                noise = quality.noise * particle.radius
                own = np.sqrt(1 - quality.shared) * rng.normal(size=len(centres))
                logit = quality.separation[particle.name] + level + own + np.sqrt(quality.shared) * hardness
                false = rng.uniform(0, BOX, (rng.poisson(quality.false_positives), 3))
                position = np.concatenate([centres[seen] + rng.normal(0, noise, (int(seen.sum()), 3)), false])
                score = np.concatenate([logit[seen], rng.normal(0, 1, len(false))]) - 2
                score = 1 / (1 + np.exp(-1.5 * score))
                tables.append(make_candidates(name, particle.name, position, score, member=member, model=f"{name}-0"))
    return join_truth(truths), concatenate(tables)
