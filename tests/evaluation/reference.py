"""The metric and the sweep once more, in plain loops: what the fast code must equal. And small random tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tomograms.particles import Particle

Rows = Sequence[tuple]  # (experiment, particle_type, x, y, z[, score])
COLUMNS = ["experiment", "particle_type", "x", "y", "z", "score"]


def table(rows: Rows, *, scored: bool = False) -> pd.DataFrame:
    columns = list(zip(*rows, strict=False)) or [()] * 6
    kinds = [object, object, float, float, float, float][: 6 if scored else 5]
    return pd.DataFrame({n: np.array(c, k) for n, c, k in zip(COLUMNS, columns, kinds, strict=False)})


def reference_counts(truth: Rows, predictions: Rows, particle: Particle) -> tuple[int, int, int]:
    """tp, fp, fn of one species, added over the truth's experiments."""
    total = [0, 0, 0]
    reach = 0.5 * particle.radius
    for experiment in {row[0] for row in truth}:
        true = [row for row in truth if row[0] == experiment and row[1] == particle.name]
        found = [row for row in predictions if row[0] == experiment and row[1] == particle.name]
        hit = 0
        for t in true:
            hit += any((t[2] - p[2]) ** 2 + (t[3] - p[3]) ** 2 + (t[4] - p[4]) ** 2 <= reach * reach for p in found)
        total[0] += hit
        total[1] += len(found) - hit
        total[2] += len(true) - hit
    return total[0], total[1], total[2]


def reference_f(tp: int, fp: int, fn: int) -> float:
    """F-beta from precision and recall, as its definition has it, beta 4."""
    precision = tp / (tp + fp) if tp + fp > 0 else 0.0
    recall = tp / (tp + fn) if tp + fn > 0 else 0.0
    if precision + recall == 0:
        return 0.0
    return 17 * precision * recall / (16 * precision + recall)


def reference_score(counts: Mapping[str, tuple[int, int, int]], particles: Sequence[Particle]) -> float:
    return sum(p.weight * reference_f(*counts[p.name]) for p in particles) / sum(p.weight for p in particles)


def random_rows(
    rng: np.random.Generator, particles: Sequence[Particle], *, experiments: Sequence[str], most: int
) -> tuple[list[tuple], list[tuple]]:
    """Truth and scored candidates with every awkward case likely.

    Whole Å make exact distances common; candidates sit on true particles, exactly at reach, just outside it, between
    two of them or anywhere, repeat each other, share scores, and name experiments that the truth lacks.
    """
    truth: list[tuple] = []
    for experiment in experiments[: int(rng.integers(1, len(experiments) + 1))]:
        for particle in particles:
            if rng.random() < 0.3:
                continue
            for _ in range(int(rng.integers(0, most))):
                truth.append((experiment, particle.name, *(float(v) for v in rng.integers(0, 400, 3))))
            if truth and rng.random() < 0.3:  # a neighbour so close that one candidate hits both
                _, _, x, y, z = truth[-1]
                truth.append((experiment, particle.name, x + float(rng.integers(0, 30)), y, z))
    radius = {particle.name: particle.radius for particle in particles}
    candidates: list[tuple] = []
    for _ in range(int(rng.integers(0, 3 * most))):
        score = float(rng.integers(0, 12)) / 8 if rng.random() < 0.5 else float(rng.random())
        kind = int(rng.integers(0, 6))
        if kind == 0 and candidates:
            candidates.append((*candidates[int(rng.integers(len(candidates)))][:5], score))
        elif kind <= 3 and truth:
            experiment, name, *position = truth[int(rng.integers(len(truth)))]
            reach = radius[name] / 2
            step = [(reach, 0, 0), (0, 0.6 * reach, 0.8 * reach), (reach + 1, 0, 0), (reach / 3, 0, 0)][rng.integers(4)]
            shifted = (float(a + b) for a, b in zip(position, rng.permutation(step), strict=True))
            candidates.append((experiment, name, *shifted, score))
        else:
            name = particles[int(rng.integers(len(particles)))].name
            experiment = experiments[int(rng.integers(len(experiments)))]
            candidates.append((experiment, name, *(float(v) for v in rng.integers(0, 400, 3)), score))
    return truth, candidates
