"""Bring your own member: another tool's candidates, from a CSV file.

Out-of-fold rows (of the runs that the cross-validation holds out) are calibrated, tuned and fused like those of our own
members; rows of other experiments are kept for submissions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ensemble.clustering import FUSED_MEMBER, MEAN_MODEL
from evaluation.run_directory import RunDirectory
from postproc.candidates import COLUMNS, in_order, read_candidates, typed, write_candidates
from tomograms.errors import InputError
from tomograms.particles import Particle

NEEDED = ["experiment", "particle_type", "x", "y", "z", "score"]


def parse_additions(arguments: Iterable[str], taken: Iterable[str]) -> dict[str, Path]:
    """Return the files by member name of ``NAME=FILE`` arguments.

    Raises
    ------
    InputError
        If one has another form, or a name is taken, given twice or not usable as a file's name.
    """
    files: dict[str, Path] = {}
    taken = {*taken, FUSED_MEMBER}
    for argument in arguments:
        name, equals, file = argument.partition("=")
        if not (name and equals and file):
            raise InputError(f"--add: expected NAME=candidates.csv, but got {argument!r}")
        if not name.replace("-", "").replace("_", "").isalnum():
            raise InputError(f"--add: expected a name of letters, digits, - and _, but got {name!r}")
        if name in taken or name in files:
            raise InputError(f"--add: expected a new member's name, but {name!r} is taken")
        files[name] = Path(file)
    return files


def read_added(path: Path, *, member: str, particles: Sequence[Particle], held_out: Sequence[str]) -> pd.DataFrame:
    """Return the candidates of a CSV file, all experiments, checked.

    Parameters
    ----------
    path
        CSV with the columns ``experiment, particle_type, x, y, z, score``; positions in Å, any finite score, higher is
        better. Other columns (``id``) are left out.
    member
        The name that the rows get; their model is ``mean``, for one model stands behind them.
    particles
        The run's species.
    held_out
        The run's held-out experiments; each must have candidates.

    Raises
    ------
    InputError
        If a rule is broken, with the line.
    """
    try:
        table = pd.read_csv(path, dtype=str)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: expected a CSV file of candidates, but it cannot be read ({error})") from None
    missing = [column for column in NEEDED if column not in table.columns]
    if missing:
        raise InputError(f"{path}: expected the columns {','.join(NEEDED)}, but got no {','.join(missing)}")
    table = table[NEEDED]
    for column in NEEDED[:2]:
        _refuse(table[column].isna(), path, table[column], f"expected a value for {column}")
    for column in NEEDED[2:]:
        number = pd.to_numeric(table[column], errors="coerce").astype(float)
        _refuse(number.isna() | np.isinf(number), path, table[column], f"expected a finite number for {column}")
        exact = table[column].to_numpy(object).astype(np.float64)  # which pandas' own parser need not be
        table = table.assign(**{column: exact})
    known = [particle.name for particle in particles]
    types = table["particle_type"]
    _refuse(~types.isin(known), path, types, f"expected a particle_type among {', '.join(known)}")
    twice = table.duplicated(NEEDED[:5])
    _refuse(twice, path, types, "expected each position of a species once, but this row repeats an earlier one:")
    absent = sorted(set(held_out) - set(table["experiment"]))
    if absent:
        raise InputError(
            f"{path}: expected out-of-fold candidates for every held-out run, but got none for {', '.join(absent)}"
        )
    return in_order(typed(table.assign(member=member, model=MEAN_MODEL)[COLUMNS]))


def keep_added(run: RunDirectory, member: str, table: pd.DataFrame) -> Path:
    """Write an added member's candidates of all experiments into the run; return the file."""
    path = added_path(run, member)
    write_candidates(path, table)
    return path


def added_path(run: RunDirectory, member: str) -> Path:
    """Return where an added member's candidates lie: ``runs/NAME/added/MEMBER.parquet``."""
    return run.path / "added" / f"{member}.parquet"


def load_added(run: RunDirectory, member: str, experiments: Iterable[str]) -> pd.DataFrame:
    """Return an added member's candidates of some experiments.

    Raises
    ------
    InputError
        If the run has no such member, or its file is damaged.
    """
    table = read_candidates(added_path(run, member))
    return table[table["experiment"].isin(list(experiments))].reset_index(drop=True)


def _refuse(bad: pd.Series, path: Path, values: pd.Series, rule: str) -> None:
    """Raise for the first bad row; line 1 of the file is its header."""
    if bad.any():
        row = int(np.argmax(bad.to_numpy()))
        raise InputError(f"{path}: line {row + 2}: {rule}, but got {values.iloc[row]!r}")
