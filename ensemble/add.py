"""Bring your own member: another tool's candidates, from a CSV file.

Out-of-fold rows (of the runs that the cross-validation holds out) are calibrated, tuned and fused like those of our own
members; rows of other experiments are kept for submissions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ensemble.clustering import FUSED_MEMBER, MEAN_MODEL
from evaluation.run_directory import RunDirectory
from postproc.candidates import COLUMNS, in_order, read_candidates, typed, write_candidates
from tomograms.coordinates import Extent, extent, inside
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.tables import read_table, refuse
from tomograms.units import COLUMN, in_angstrom

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


def read_added(
    path: Path,
    *,
    member: str,
    particles: Sequence[Particle],
    held_out: Sequence[str],
    extents: Mapping[str, Extent] | None = None,
) -> pd.DataFrame:
    """Return the candidates of a CSV file, all experiments, checked.

    Parameters
    ----------
    path
        CSV with the columns ``experiment, particle_type, x, y, z, score``; positions in Å, any finite score, higher is
        better. A column ``unit`` may tell another unit in each row. Other columns (``id``) are left out.
    member
        The name that the rows get; their model is ``mean``, for one model stands behind them.
    particles
        The run's species.
    held_out
        The run's held-out experiments; each must have candidates.
    extents
        The volumes of those experiments whose tomograms are at hand.

    Raises
    ------
    InputError
        If a rule is broken, with the line.
    """
    extents = extents or {}
    sizes = {name: volume.voxel_size for name, volume in extents.items()}
    table = in_angstrom(path, read_table(path, NEEDED, numbers=NEEDED[2:], optional=(COLUMN,)), sizes.get)
    known = [particle.name for particle in particles]
    types = table["particle_type"]
    refuse(path, types, ~types.isin(known), f"a particle_type among {', '.join(known)}")
    places = table[NEEDED[:5]]
    refuse(path, places, places.duplicated(), "each position of a species once")
    refuse_outside(path, table, particles, extents)
    absent = sorted(set(held_out) - set(table["experiment"]))
    if absent:
        raise InputError(
            f"{path}: expected out-of-fold candidates for every held-out run, but got none for {', '.join(absent)}"
        )
    return in_order(typed(table.assign(member=member, model=MEAN_MODEL)[COLUMNS]))


def refuse_outside(
    path: Path, table: pd.DataFrame, particles: Sequence[Particle], extents: Mapping[str, Extent]
) -> None:
    """Refuse candidates that lie outside their volume by over half a radius: they are in another unit, or shifted.

    Parameters
    ----------
    path
        Where they come from.
    table
        ``experiment, particle_type, x, y, z`` (Å); its index is the line in the file.
    particles, extents
        The species, and the volumes that are known.

    Raises
    ------
    InputError
        Naming the first one's line, its position and the volume.
    """
    radius = {particle.name: particle.radius for particle in particles}
    for name, volume in sorted(extents.items()):
        rows = table[table["experiment"] == name]
        margin = np.array([[0.5 * radius[species]] for species in rows["particle_type"]], np.float64).reshape(-1, 1)
        position = rows[["x", "y", "z"]]
        bad = ~inside(position.to_numpy(), volume.shape, volume.voxel_size, margin=margin)
        low, high = extent(volume.shape, volume.voxel_size)
        box = ", ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(low, high, strict=True))
        refuse(path, position, bad, f"x, y, z in Å within the volume of {name} ({box})")


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
