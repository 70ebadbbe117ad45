"""Candidates: the one table that flows from every member to the submission.

Columns ``experiment, particle_type, x, y, z, score, member, model``: positions in Å (float64), a score (float64, higher
is better), the member's name, and the model that made the row (fold and seed). Truth is the first five columns.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from tomograms.errors import InputError
from tomograms.files import replacing
from tomograms.picks import TRUTH_COLUMNS
from tomograms.tables import TYPES, typed

LARGEST, USUAL = 2_000_000, 750_000
"""Bytes on a disk of one member's candidates in a tomogram of the competition's size: at most, and on the mean
of many, with room (48 simulated ones: up to 1.8 MB, on the mean 0.4 MB of the U-Net and 0.5 MB of YOLO)."""
COLUMNS = [*TRUTH_COLUMNS, "score", "member", "model"]


def disk_space(tables: int) -> int:
    """Return how many bytes so many tables of candidates, one a member and tomogram, may take on a disk."""
    return LARGEST + USUAL * (tables - 1) if tables else 0


def make_candidates(
    experiment: str,
    particle_type: ArrayLike,  # (n,) or one name
    position: ArrayLike,  # (n, 3) xyz, Å
    score: ArrayLike,  # (n,)
    *,
    member: str,
    model: str,
) -> pd.DataFrame:
    """Return a candidates table in its total order; empty input gives an empty table with the same columns."""
    xyz = np.asarray(position, np.float64).reshape(-1, 3)
    table = pd.DataFrame(
        {
            "experiment": experiment,
            "particle_type": particle_type,
            "x": xyz[:, 0],
            "y": xyz[:, 1],
            "z": xyz[:, 2],
            "score": np.asarray(score, np.float64),
            "member": member,
            "model": model,
        },
        index=range(len(xyz)),
    )
    return in_order(typed(table))


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in their total order: experiment, particle_type, score (high first), z, y, x, member, model."""
    experiment, kind = (_ranks(table[name].to_numpy(object)) for name in ("experiment", "particle_type"))
    group = experiment * (int(kind.max(initial=0)) + 1) + kind
    rest = [table[column].to_numpy() for column in ("z", "y", "x", "member", "model")]
    return table.iloc[total_order(group, table["score"].to_numpy(), rest)].reset_index(drop=True)


def total_order(
    group: NDArray[np.int64], score: NDArray[np.floating], rest: Sequence[NDArray[Any]]
) -> NDArray[np.int64]:
    """Return the order of rows by group, score (high first), and then the keys of ``rest``, the first one first.

    Rows that agree in everything keep their order. Only rows that share group and score need ``rest`` (numbers, or
    objects that can be sorted), which would take most of the time.
    """
    order = np.lexsort((-score, group))
    same = (score[order][1:] == score[order][:-1]) & (group[order][1:] == group[order][:-1])
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    run = np.cumsum(~np.append(False, same))[tied]
    rows = order[tied]
    order[tied] = rows[np.lexsort((*(_ranks(key[rows]) for key in reversed(rest)), run))]
    return order


def _ranks(key: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in the order of the keys: the keys themselves where they are numbers."""
    return pd.factorize(key, sort=True)[0] if key.dtype == object else key


def empty_candidates() -> pd.DataFrame:
    """Return a candidates table without rows."""
    return make_candidates("", [], np.empty((0, 3)), [], member="", model="")


def concatenate(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return all rows of the tables in the total order."""
    filled = [table for table in tables if len(table)]
    return in_order(pd.concat(filled, ignore_index=True)) if filled else empty_candidates()


def write_candidates(path: Path, table: pd.DataFrame) -> None:
    """Write the table as Parquet, atomically."""
    with replacing(path) as temporary:
        table[COLUMNS].to_parquet(temporary, index=False)


def read_candidates(path: Path) -> pd.DataFrame:
    """Read a table that `write_candidates` wrote.

    Raises
    ------
    InputError
        If the file is missing, damaged, or lacks a column.
    """
    try:
        with path.open("rb") as file:
            table = pq.ParquetFile(file).read()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a Parquet file of candidates, but it cannot be read ({error})") from None
    missing = [column for column in COLUMNS if column not in table.column_names]
    if missing:
        raise InputError(f"{path}: expected the columns {COLUMNS}, but got no {missing}")
    # Through pandas' own reader and types of text it would take three times as long.
    columns = {name: pd.Series(table.column(name).to_numpy(), dtype=TYPES[name]) for name in COLUMNS}
    return pd.DataFrame(columns)
