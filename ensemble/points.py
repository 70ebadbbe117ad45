"""The candidates of one species as plain arrays: what the kernels of this package work on.

Row order is the total order: experiment, then score (high first), z, y, x, member. It does not depend on the order in
which the table's rows came, so neither does anything that is computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.matching import codes, positions
from postproc.candidates import COLUMNS, total_order


@dataclass(frozen=True)
class Points:
    """n candidates of one species, of several experiments and members.

    Attributes
    ----------
    position
        ``(n, 3)`` float64, x, y, z in Å.
    score
        ``(n,)`` float64.
    member
        ``(n,)`` int64, index into the members' names.
    experiment
        ``(n,)`` int64, index into the experiments' names.
    """

    position: NDArray[np.float64]
    score: NDArray[np.float64]
    member: NDArray[np.int64]
    experiment: NDArray[np.int64]

    def __len__(self) -> int:
        """Return n."""
        return len(self.score)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Points:
        """Return some rows, by mask or index."""
        return Points(self.position[rows], self.score[rows], self.member[rows], self.experiment[rows])

    def ordered(self) -> Points:
        """Return the rows in the total order."""
        x, y, z = self.position.T
        order = total_order(self.experiment, self.score, [z, y, x, self.member])
        return self[order]


def coded(table: pd.DataFrame, *, members: Sequence[str], experiments: Sequence[str]) -> Points:
    """Return the rows of a candidates table as they come; -1 stands for a member or experiment that is not named."""
    return Points(
        positions(table),
        table["score"].to_numpy(np.float64),
        codes(table["member"], members),
        codes(table["experiment"], experiments),
    )


def to_points(
    table: pd.DataFrame,  # candidates of one species
    *,
    members: Sequence[str],
    experiments: Sequence[str],
) -> Points:
    """Return the candidates of the named members and experiments in the total order; others are left out.

    Numbers of members and experiments follow ``members`` and ``experiments``; give both sorted, so that the total order
    does not depend on how they were listed.
    """
    points = coded(table, members=members, experiments=experiments)
    return points[(points.member >= 0) & (points.experiment >= 0)].ordered()


def to_table(
    points: Mapping[str, Points],  # by species
    *,
    experiments: Sequence[str],
    member: str,
    model: str,
) -> pd.DataFrame:
    """Return the points of all species as candidates of one member, in the total order of `postproc.candidates`."""
    species = sorted(points)
    parts = [points[name] for name in species]
    kind = np.repeat(np.arange(len(species)), [len(part) for part in parts])
    position = np.concatenate([np.empty((0, 3)), *(part.position for part in parts)])
    score = np.concatenate([np.empty(0), *(part.score for part in parts)])
    experiment = np.concatenate([np.empty(0, np.int64), *(part.experiment for part in parts)])
    x, y, z = position.T
    order = total_order(experiment * len(species) + kind, score, [z, y, x])
    texts = {
        "experiment": np.asarray(experiments, object)[experiment[order]],
        "particle_type": np.asarray(species, object)[kind[order]],
        "member": np.full(len(order), member, object),
        "model": np.full(len(order), model, object),
    }
    columns = {
        **{name: pd.Series(values, dtype=object) for name, values in texts.items()},  # pandas would convert them
        **{axis: position[order, i] for i, axis in enumerate("xyz")},
        "score": score[order],
    }
    return pd.DataFrame(columns, columns=COLUMNS, index=range(len(order)))
