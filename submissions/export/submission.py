"""submission.csv: made from the fused candidates, and checked line by line.

Header ``id,experiment,particle_type,x,y,z``; ``id`` counts from 0; positions in Å with three decimals, inside the
volume; one line ends with one newline.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postproc.candidates import in_order
from tomograms.coordinates import extent, inside
from tomograms.errors import InputError
from tomograms.files import replacing
from tomograms.particles import Particle
from tomograms.picks import TRUTH_COLUMNS

SUBMISSION_COLUMNS = ["id", *TRUTH_COLUMNS]
DECIMALS = 3
"""Decimals of a written position: 0.001 Å is a ten-thousandth of a voxel."""


@dataclass(frozen=True)
class Extent:
    """A volume's ``shape`` (z, y, x) in voxels and its ``voxel_size`` in Å."""

    shape: tuple[int, ...]
    voxel_size: float


def settle(candidates: pd.DataFrame, extents: Mapping[str, Extent]) -> pd.DataFrame:
    """Return the candidates with the positions that are written everywhere: in the volume, rounded to `DECIMALS`.

    Every export starts from this table, so that a CSV, a STAR file and a copick project hold the same numbers.

    Parameters
    ----------
    candidates
        ``experiment, particle_type, x, y, z`` (Å), ``score``, ``member``, ``model``.
    extents
        By experiment; each experiment of ``candidates`` is in it.
    """
    out = candidates.copy()
    unit = 10.0**DECIMALS
    for experiment, rows in out.groupby("experiment"):
        volume = extents[str(experiment)]
        low, high = extent(volume.shape, volume.voxel_size)
        position = np.clip(rows[["x", "y", "z"]].to_numpy(), np.ceil(low * unit) / unit, np.floor(high * unit) / unit)
        out.loc[rows.index, ["x", "y", "z"]] = np.round(position, DECIMALS)
    return in_order(out)


def write_submission(path: Path, candidates: pd.DataFrame) -> None:
    """Write the candidates as a submission, atomically, in the candidates' total order; no rows give the header."""
    table = candidates[TRUTH_COLUMNS].reset_index(drop=True)
    table.insert(0, "id", range(len(table)))
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n")


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
    raw = _read_text(path)
    names = {particle.name for particle in particles}
    _refuse(path, raw["id"], ~raw["id"].str.fullmatch(r"\d{1,18}"), "an integer id of at least 0")
    ids = raw["id"].astype("int64")
    _refuse(path, raw["id"], ids.duplicated(), "every id once")
    _refuse(path, raw["particle_type"], ~raw["particle_type"].isin(names), f"one of the species {sorted(names)}")
    position = raw[["x", "y", "z"]].apply(pd.to_numeric, errors="coerce").astype("float64")
    for axis in ("x", "y", "z"):
        _refuse(path, raw[axis], ~np.isfinite(position[axis]), f"{axis} to be a finite number in Å")
    table = pd.DataFrame({"id": ids, "experiment": raw["experiment"], "particle_type": raw["particle_type"]})
    table[["x", "y", "z"]] = position
    if extents is not None:
        known = raw["experiment"].isin(list(extents))
        _refuse(path, raw["experiment"], ~known, f"one of the experiments {_some(extents)}")
        outside = pd.Series(False, index=raw.index)
        for experiment, rows in table.groupby("experiment"):
            volume = extents[str(experiment)]
            outside[rows.index] = ~inside(rows[["x", "y", "z"]].to_numpy(), volume.shape, volume.voxel_size)
        where = raw["x"] + ", " + raw["y"] + ", " + raw["z"]
        _refuse(path, where, outside, "a position (x, y, z) inside the volume")
    return table


def _read_text(path: Path) -> pd.DataFrame:
    """Return the file's fields as text, row ``i`` being line ``i + 2``."""
    header = ",".join(SUBMISSION_COLUMNS)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: expected a CSV file, but it cannot be read ({error})") from None
    if not lines:
        raise InputError(f"{path}: expected the header {header}, but got an empty file")
    if lines[0] != SUBMISSION_COLUMNS:
        raise InputError(f"{path}, line 1: expected the header {header}, but got {','.join(lines[0])[:100]!r}")
    for number, fields in enumerate(lines[1:], start=2):
        if len(fields) != len(SUBMISSION_COLUMNS):
            got = ",".join(fields)[:100]
            raise InputError(f"{path}, line {number}: expected {len(SUBMISSION_COLUMNS)} fields, but got {got!r}")
    return pd.DataFrame(lines[1:], columns=SUBMISSION_COLUMNS, dtype=object)


def _refuse(path: Path, values: pd.Series, wrong: pd.Series | NDArray[np.bool_], rule: str) -> None:
    """Raise an `InputError` that names the first wrong line."""
    bad = np.flatnonzero(np.asarray(wrong, bool))
    if len(bad):
        more = f" (and {len(bad) - 1} more such lines)" if len(bad) > 1 else ""
        raise InputError(f"{path}, line {bad[0] + 2}: expected {rule}, but got {values.iloc[bad[0]]!r}{more}")


def _some(names: Iterable[str], at_most: int = 8) -> str:
    """Return the names, or the first few and how many there are."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:at_most])
    return shown if len(ordered) <= at_most else f"{shown}, ... ({len(ordered)} in all)"
