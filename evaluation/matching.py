"""Which predictions lie within reach of which true particles: found once, used by metric, sweep and nesting."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tomograms.errors import InputError
from tomograms.particles import Particle

DISTANCE = 0.5  # of the radius: how far from a true centre a prediction still hits it (competition metric)


@dataclass(frozen=True)
class Matches:
    """Truth and predictions as integer codes, and the pairs of them that lie within reach.

    Attributes
    ----------
    experiments
        Names of the truth's experiments, sorted; codes index it. Predictions elsewhere are dropped, as the official
        metric does.
    particles
        The species; type codes index it.
    truth_experiment, truth_type
        ``(m,)`` codes of the true particles.
    row
        ``(n,)`` row numbers of the predictions that were kept, ascending.
    experiment, type
        ``(n,)`` codes of these predictions.
    score
        ``(n,)`` their scores, float64; zeros where the predictions have none.
    pair_truth, pair_prediction
        ``(k,)`` indices of the pairs of one experiment and type with distance <= 0.5 x radius,
        sorted by true particle.
    """

    experiments: tuple[str, ...]
    particles: tuple[Particle, ...]
    truth_experiment: NDArray[np.int64]
    truth_type: NDArray[np.int64]
    row: NDArray[np.int64]
    experiment: NDArray[np.int64]
    type: NDArray[np.int64]
    score: NDArray[np.float64]
    pair_truth: NDArray[np.int64]
    pair_prediction: NDArray[np.int64]


def match(
    truth: pd.DataFrame,
    predictions: pd.DataFrame,
    particles: Sequence[Particle],
    *,
    experiments: Iterable[str] | None = None,
) -> Matches:
    """Return which predictions hit which true particles.

    Parameters
    ----------
    truth
        ``experiment, particle_type, x, y, z`` (Å), every species: its experiments are those that count.
    predictions
        The same columns, and ``score`` where there is one.
    particles
        Every species.
    experiments
        Those that count; by default the experiments of the truth.

    Raises
    ------
    InputError
        If a species of the truth, or of a prediction in one of the truth's experiments, is not among ``particles``;
        or a position is not finite; or a score is not a number.
    """
    types = np.array([particle.name for particle in particles], object)
    truth_type = _known(truth["particle_type"], types, "truth")
    names = sorted(set(truth["experiment"].unique() if experiments is None else experiments))
    truth_experiment = codes(truth["experiment"], names)
    where = codes(predictions["experiment"], names)
    row = np.flatnonzero(where >= 0)
    kept = predictions if len(row) == len(predictions) else predictions.iloc[row]
    kept_type = _known(kept["particle_type"], types, "predictions")
    score = kept["score"].to_numpy(np.float64) if "score" in kept.columns else np.zeros(len(kept))
    if np.isnan(score).any():
        raise InputError("predictions: expected a score that is a number, but got nan")
    reach = DISTANCE * np.array([particle.radius for particle in particles])
    pair_truth, pair_prediction = pairs_within(
        _finite(positions(truth), "truth"),
        truth_experiment * len(types) + truth_type,
        _finite(positions(kept), "predictions"),
        where[row] * len(types) + kept_type,
        reach=np.tile(reach, len(names)),
    )
    return Matches(
        tuple(names),
        tuple(particles),
        truth_experiment,
        truth_type,
        row,
        where[row],
        kept_type,
        score,
        pair_truth,
        pair_prediction,
    )


def positions(table: pd.DataFrame) -> NDArray[np.float64]:  # (n, 3) xyz, Å
    """Return the table's positions."""
    return np.column_stack([table[axis].to_numpy(np.float64) for axis in ("x", "y", "z")])


def _finite(xyz: NDArray[np.float64], source: str) -> NDArray[np.float64]:
    """Return the positions, all of which must be finite."""
    bad = ~np.isfinite(xyz).all(axis=1)
    if bad.any():
        x, y, z = xyz[np.argmax(bad)]
        raise InputError(f"{source}: expected finite x, y, z, but got {x:g}, {y:g}, {z:g}")
    return xyz


def pairs_within(
    a: NDArray[np.float64],  # (m, 3) Å
    group_a: NDArray[np.int64],  # (m,)
    b: NDArray[np.float64],  # (n, 3) Å
    group_b: NDArray[np.int64],  # (n,)
    *,
    reach: NDArray[np.float64],  # (group,) Å
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # (k,), (k,)
    """Return all index pairs (i, j) of one group with distance <= the group's reach, sorted by i, then j.

    The comparison is dx² + dy² + dz² <= reach², summed in this order in float64, as in the KD-tree of the official
    metric. Only points whose columns (squares of the group's reach in x and y) touch are compared: tomograms are flat,
    and of one species few particles share a column, so that this costs less than a tree and grows linearly.
    """
    if not len(a) or not len(b):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    largest = max(np.abs(a).max(), np.abs(b).max())
    side = reach * (1 + 1e-6) + 1e-15 * largest  # a little more than reach, so that rounding moves no pair apart
    columns_a, columns_b = (
        np.floor(xyz[:, :2] / side[g, None]).astype(np.int64) for xyz, g in ((a, group_a), (b, group_b))
    )
    neighbours = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)])
    wanted = _key(columns_a[:, None] + neighbours, group_a[:, None]).ravel()  # nine columns for each of a
    keys = _key(columns_b, group_b)
    order = np.argsort(keys, kind="stable")
    first = np.flatnonzero(np.diff(keys[order], prepend=-1))
    distinct, length = keys[order[first]], np.diff(first, append=len(keys))
    place = np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1)
    filled = np.flatnonzero(distinct[place] == wanted)
    place, number = place[filled], length[place[filled]]
    i = np.repeat(filled // len(neighbours), number)
    j = order[np.arange(len(i)) + np.repeat(first[place] - np.cumsum(number) + number, number)]
    difference = a[i] - b[j]
    squared = difference[:, 0] ** 2 + difference[:, 1] ** 2 + difference[:, 2] ** 2
    hit = (squared <= reach[group_a[i]] ** 2) & (group_a[i] == group_b[j])
    i, j = i[hit], j[hit]
    order = np.lexsort((j, i))
    return i[order], j[order]


def _key(column: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one number for column (..., 2) and group; far columns may share it, neighbouring ones never do."""
    spread = 1 << 20
    return (group * spread + column[..., 0] % spread) * spread + column[..., 1] % spread


def codes(names: pd.Series, known: Sequence[str]) -> NDArray[np.int64]:
    """Return each name's index in ``known``, -1 where it is not there."""
    code, uniques = pd.factorize(names.to_numpy(object))
    position = {name: index for index, name in enumerate(known)}
    return np.array([position.get(name, -1) for name in uniques] + [-1], np.int64)[code]  # the last for missing names


def _known(names: pd.Series, types: NDArray[np.object_], source: str) -> NDArray[np.int64]:
    """Return each species' code; all must be known."""
    found = codes(names, list(types))
    if (found < 0).any():
        unknown = names.to_numpy(object)[np.argmax(found < 0)]
        raise InputError(f"{source}: expected a particle_type among {', '.join(types)}, but got {unknown!r}")
    return found
