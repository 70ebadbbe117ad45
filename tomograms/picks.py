"""Picks: annotated particle centres as one table, and the files that hold them.

Columns ``experiment, particle_type, x, y, z``: run name, species, and the centre in Å (float64).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tomograms.errors import InputError, NoTomogramError
from tomograms.files import parse_json, replacing, write_json
from tomograms.points import IDENTITY, centres_of, voxel_size_of
from tomograms.tables import read_table, typed
from tomograms.units import COLUMN, UNITS, VOXELS, in_angstrom, unit_name

NEAR = 0.01
"""Voxel sizes that differ by less are the same: nominal and calibrated ones do."""
TRUTH_COLUMNS = ["experiment", "particle_type", "x", "y", "z"]


def make_truth(
    experiment: str,
    particle_type: ArrayLike,  # (n,) or one name
    position: ArrayLike,  # (n, 3) xyz, Å
) -> pd.DataFrame:
    """Return a table of picks in its total order; empty input gives an empty table with the same columns."""
    xyz = np.asarray(position, np.float64).reshape(-1, 3)
    columns = {"experiment": experiment, "particle_type": particle_type, "x": xyz[:, 0], "y": xyz[:, 1], "z": xyz[:, 2]}
    return join_truth([pd.DataFrame(columns, index=range(len(xyz)))])


def join_truth(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables by experiment, particle_type, z, y, x: text as objects, numbers as float64."""
    filled = [table[TRUTH_COLUMNS] for table in tables if len(table)]
    table = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=TRUTH_COLUMNS)
    keys = ["experiment", "particle_type", "z", "y", "x"]
    return typed(table).sort_values(keys, kind="stable", ignore_index=True)


def write_truth(path: Path, table: pd.DataFrame) -> None:
    """Write picks as CSV, atomically; floats survive a round trip exactly."""
    with replacing(path) as temporary:
        table[TRUTH_COLUMNS].to_csv(temporary, index=False)


def read_truth(path: Path) -> pd.DataFrame:
    """Read picks from CSV, in Å or in the unit that a column ``unit`` tells; other columns are left out.

    Raises
    ------
    InputError
        If the file is missing or no CSV, lacks a column, has an empty name, tells an unknown unit or voxels, whose size
        it does not tell, or holds a coordinate that is not a finite number; the line is named.
    """
    table = read_table(path, TRUTH_COLUMNS, numbers=TRUTH_COLUMNS[2:], optional=(COLUMN,))
    return join_truth([in_angstrom(path, table, lambda _: None)])


@dataclass(frozen=True)
class PickSet:
    """The picks of one species by one user in one session, as a JSON file holds them.

    Attributes
    ----------
    source
        The file, for messages.
    particle_type
        The species.
    user, session
        Who picked, and in which session.
    position
        ``(n, 3)`` xyz, Å or voxels: ``location`` shifted by the translation of ``transformation_``.
    voxels
        Whether positions are in voxels of the run's tomogram, and not in Å.
    program
        Whether a program made it: points carry scores other than 1, or a provenance is told. A person's do not.
    voxel_size
        Å of the voxels that positions are in, where the file tells it; else they are the tomogram's.
    exported
        Whether it counts as a person's, but comes from a table that this project has written.
    """

    source: str
    particle_type: str
    user: str
    session: str
    position: NDArray[np.float64]
    voxels: bool
    program: bool
    voxel_size: float | None = None
    exported: bool = False


@dataclass(frozen=True)
class Choice:
    """Which of several tomograms and pick sets of a run are meant.

    Attributes
    ----------
    tomogram_type
        ``denoised``, ``wbp``, ...
    user, session
        Whose picks count; ``None``: every person's.
    voxel_spacing
        Å as in the folders' names; ``None``: the only one.
    """

    tomogram_type: str = "denoised"
    user: str | None = None
    session: str | None = None
    voxel_spacing: float | None = None

    def among(self, pick_sets: Iterable[PickSet]) -> list[PickSet]:
        """Return the pick sets of a run that are meant; a program's are nobody's truth unless its user is asked for.

        A user and session count as a program's as a whole: it may have found nothing of some species.
        """
        sets = [s for s in pick_sets if self.user in (None, s.user) and self.session in (None, s.session)]
        programs = set() if self.user else {(s.user, s.session) for s in sets if s.program}
        return [s for s in sets if (s.user, s.session) not in programs]

    def spacing(self, found: Collection[str], source: str, *, usual: str | None = None) -> str:
        """Return which of several voxel spacings is meant.

        Parameters
        ----------
        found
            Those that there are, Å, usually with three decimals.
        source
            Where they are, for messages.
        usual
            The one that is meant where none is asked for; if it is not there, the only one is.

        Raises
        ------
        InputError
            If the one that is asked for is not there, or none is asked for and there are several.
        """
        asked = None if self.voxel_spacing is None else f"{self.voxel_spacing:.3f}"
        names = [name for name in found if name == (asked or usual)] or [
            name for name in found if asked and _with_decimals(name) == asked
        ]
        if not names and asked is None:
            names = list(found)
        if len(names) != 1:
            rule = f"the voxel spacing {asked}" if asked else "one voxel spacing or a choice of one"
            missing = "no tomogram" if not found else ", ".join(sorted(found))
            kind = InputError if found else NoTomogramError
            raise kind(f"{source}: expected {rule}, but got {missing}")
        return names[0]


def _with_decimals(name: str) -> str:
    """Return a voxel spacing with three decimals, whatever it has; another text as it is."""
    try:
        return f"{float(name):.3f}"
    except ValueError:
        return name


def pick_set_name(stem: str) -> tuple[str | None, str | None, str]:
    """Return user, session and species from the stem of ``{user}_{session}_{object}.json`` or ``{object}.json``."""
    parts = stem.split("_", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (None, None, stem)


def parse_pick_set(text: str | bytes, source: str, *, programs: Collection[str] = ()) -> PickSet:
    """Return the pick set that a JSON file holds.

    The file's name decides on species, user and session; a name that is only the species leaves the last two to the
    content.

    Parameters
    ----------
    text
        The file's content.
    source
        Its path.
    programs
        ``{user}_{session}`` of those of whom a provenance is told.

    Raises
    ------
    InputError
        If it is not JSON, has no list ``points``, a unit that is not known, or a coordinate is not a finite number.
    """
    content = parse_json(text, source)
    if not isinstance(content, dict):
        content = {}
    user, session, particle_type = pick_set_name(Path(source).stem)
    if user is None or session is None:
        user, session = str(content.get("user_id") or ""), str(content.get("session_id") or "")
    return make_pick_set(content, source, (user, session, particle_type), program=f"{user}_{session}" in programs)


def make_pick_set(content: Mapping[str, Any], source: str, name: tuple[str, str, str], *, program: bool) -> PickSet:
    """Return the pick set that the content of a JSON file describes; see `parse_pick_set`.

    Parameters
    ----------
    content
        ``points`` and ``unit``; of positions in voxels ``voxel_spacing``, the voxel size of where they were picked.
    source
        Where it comes from, for messages.
    name
        User, session and species.
    program
        Whether it is known to be a program's; scores other than 1 tell, too.
    """
    points = content.get("points")
    if not isinstance(points, list):
        raise InputError(f"{source}: expected a JSON object with a list of points, but got none")
    unit = unit_name(str(content.get("unit") or "angstrom"))
    if unit not in UNITS:
        raise InputError(f"{source}: expected the unit {', '.join(UNITS)}, but got {content['unit']!r}")
    position = centres_of(points, source) * UNITS[unit]
    scored = any(point.get("score") not in (None, 1.0) for point in points)
    user, session, particle_type = name
    size = voxel_size_of(content, source) if unit in VOXELS else None
    return PickSet(source, particle_type, user, session, position, unit in VOXELS, program or scored, size)


def write_pick_set(path: Path, position: NDArray[np.float64], *, user: str, session: str, run: str) -> None:
    """Write the picks of the species that the file's name tells, as copick JSON, atomically.

    Parameters
    ----------
    path
        ``{object}.json`` or ``{user}_{session}_{object}.json``.
    position
        ``(n, 3)`` xyz, Å.
    user, session
        Who picked, and in which session.
    run
        The run's name.
    """
    points = [
        {
            "location": {"x": float(x), "y": float(y), "z": float(z)},
            "transformation_": IDENTITY,
            "instance_id": 0,
            "score": 1.0,
        }
        for x, y, z in position
    ]
    content = {
        "pickable_object_name": pick_set_name(path.stem)[2],
        "user_id": user,
        "session_id": session,
        "run_name": run,
        "voxel_spacing": None,
        "unit": "angstrom",
        "trust_orientation": True,
        "points": points,
    }
    write_json(path, content)
