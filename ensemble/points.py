"""The candidates of one species as plain arrays: what the kernels of this package work on.

Row order is the total order: experiment, then score (high first), z, y, x, member. It does not depend on the order in
which the table's rows came, so neither does anything that is computed from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postproc.candidates import COLUMNS, total_order, typed


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


def codes(names: pd.Series, known: Sequence[str]) -> NDArray[np.int64]:
    """Return each name's index in ``known``, -1 where it is not there."""
    position = {name: index for index, name in enumerate(known)}
    code, uniques = pd.factorize(names.to_numpy(object))
    return np.array([position.get(name, -1) for name in uniques] + [-1], np.int64)[code]


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
    points = Points(
        table[["x", "y", "z"]].to_numpy(np.float64).reshape(-1, 3),
        table["score"].to_numpy(np.float64),
        codes(table["member"], members),
        codes(table["experiment"], experiments),
    )
    return points[(points.member >= 0) & (points.experiment >= 0)].ordered()


def to_table(
    points: Points,
    *,
    particle_type: str,
    experiments: Sequence[str],
    member: str | Sequence[str],
    model: str,
) -> pd.DataFrame:
    """Return the points as candidates (columns of `postproc.candidates`, rows as they come).

    ``member`` is one name for all rows, or the names that ``points.member`` numbers.
    """
    names = member if isinstance(member, str) else np.asarray(member, dtype=object)[points.member]
    x, y, z = points.position.T
    return typed(
        pd.DataFrame(
            {
                "experiment": np.asarray(experiments, dtype=object)[points.experiment],
                "particle_type": particle_type,
                "x": x,
                "y": y,
                "z": z,
                "score": points.score,
                "member": names,
                "model": model,
            },
            columns=COLUMNS,
            index=range(len(points)),
        )
    )
