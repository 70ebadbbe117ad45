"""submission.csv: made from the fused candidates, and checked line by line.

Header ``id,experiment,particle_type,x,y,z``; ``id`` counts from 0; positions in Å with three decimals, inside the
volume; one line ends with one newline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from postproc.candidates import in_order
from tomograms.coordinates import Extent as Extent
from tomograms.coordinates import extent, inside
from tomograms.files import replacing
from tomograms.particles import Particle
from tomograms.picks import TRUTH_COLUMNS
from tomograms.tables import read_table, read_tables, refuse, some_of

SUBMISSION_COLUMNS = ["id", *TRUTH_COLUMNS]
ROWS = 50_000
"""Lines that are checked at a time."""
DECIMALS = 3
"""Decimals of a written position: 0.001 Å is a ten-thousandth of a voxel."""


def clip(candidates: pd.DataFrame, extents: Mapping[str, Extent]) -> pd.DataFrame:
    """Return the candidates with the positions that are written everywhere: in the volume, rounded to `DECIMALS`.

    Every export starts from this table, so that a CSV, a STAR file and a copick project hold the same numbers.

    Parameters
    ----------
    candidates
        ``experiment, particle_type, x, y, z`` (Å), ``score``, ``member``, ``model``.
    extents
        By experiment; each experiment of ``candidates`` is in it.
    """
    position = candidates[["x", "y", "z"]].to_numpy(copy=True)
    experiments = candidates["experiment"].to_numpy()
    unit = 10.0**DECIMALS
    for experiment in dict.fromkeys(experiments):
        own, volume = experiments == experiment, extents[experiment]
        low, high = extent(volume.shape, volume.voxel_size)
        within = np.clip(position[own], np.ceil(low * unit) / unit, np.floor(high * unit) / unit)
        position[own] = np.round(within, DECIMALS)
    return in_order(candidates.assign(x=position[:, 0], y=position[:, 1], z=position[:, 2]))


def write_submission(path: Path, tables: Iterable[pd.DataFrame]) -> int:
    """Write tables of candidates, one after the other, as a submission, atomically; return the number of rows.

    Together they are in the candidates' total order. No rows give the header.
    """
    count = 0
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(SUBMISSION_COLUMNS) + "\n")
        for candidates in tables:
            table = candidates[TRUTH_COLUMNS].set_axis(range(count, count + len(candidates)))
            table.to_csv(file, header=False, float_format=f"%.{DECIMALS}f", lineterminator="\n")
            count += len(table)
    return count


def read_submission(
    path: Path, *, particles: Iterable[Particle], extents: Mapping[str, Extent] | None = None
) -> pd.DataFrame:
    """Return a submission, ``id, experiment, particle_type, x, y, z``, after checking every line of it.

    Parameters
    ----------
    path
        The CSV file. A header without rows is valid: nothing was found.
    particles
        The species that may occur.
    extents
        The volumes, by experiment; ``None`` leaves experiments unchecked, and positions but for being finite.

    Raises
    ------
    InputError
        For a wrong header, a line with too many or too few fields, an id that is no integer of at least 0 or occurs
        twice, an unknown species or experiment, a position that is no finite number or lies outside its volume. The
        first offending line is named.
    """
    table = read_table(path, SUBMISSION_COLUMNS, numbers=SUBMISSION_COLUMNS[3:], exact_header=True)
    ids = _checked_ids(path, table, particles, extents)
    refuse(path, table["id"], ids.duplicated(), "every id once")
    return table.assign(id=ids).reset_index(drop=True)


def check_written(path: Path, *, particles: Iterable[Particle], extents: Mapping[str, Extent]) -> int:
    """Check what `write_submission` has written as `read_submission` does, some lines at a time; return the rows.

    Raises
    ------
    InputError
        As for `read_submission`, and for an id that is not the row's number.
    """
    count, particles = 0, tuple(particles)
    for table in read_tables(path, SUBMISSION_COLUMNS, numbers=SUBMISSION_COLUMNS[3:], exact_header=True, rows=ROWS):
        ids = _checked_ids(path, table, particles, extents)
        refuse(path, table["id"], ids != np.arange(count, count + len(table)), "ids that count from 0")
        count += len(table)
    return count


def _checked_ids(
    path: Path, table: pd.DataFrame, particles: Iterable[Particle], extents: Mapping[str, Extent] | None
) -> pd.Series:
    """Return the ids of some lines of a submission after checking all but that no id occurs twice."""
    names = sorted(particle.name for particle in particles)
    refuse(path, table["id"], ~table["id"].str.fullmatch(r"\d{1,18}"), "an integer id of at least 0")
    refuse(path, table["particle_type"], ~table["particle_type"].isin(names), f"one of the species {names}")
    if extents is not None:
        known = table["experiment"].isin(list(extents))
        refuse(path, table["experiment"], ~known, f"one of the experiments {some_of(extents)}")
        position = table[["x", "y", "z"]]
        outside = pd.Series(False, index=table.index)
        for experiment, rows in position.groupby(table["experiment"]):
            volume = extents[str(experiment)]
            outside[rows.index] = ~inside(rows.to_numpy(), volume.shape, volume.voxel_size)
        refuse(path, position, outside, "a position (x, y, z) inside the volume")
    return table["id"].astype("int64")
