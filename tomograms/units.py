"""Units of positions: what they are called, and tables that tell one in each row."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tomograms.tables import refuse

COLUMN = "unit"
"""Of tables; without it positions are in Å."""
UNITS = {
    **dict.fromkeys(("angstrom", "ångström", "å"), 1.0),
    **dict.fromkeys(("nanometer", "nanometre", "nm"), 10.0),
    **dict.fromkeys(("voxel", "pixel", "px"), 1.0),
}
"""Units of picks, in Å; those of voxels depend on the tomogram."""
VOXELS = ("voxel", "pixel", "px")


def unit_name(text: str) -> str:
    """Return a unit as `UNITS` calls it: lower case, in the singular."""
    return text.lower().rstrip("s")


def in_angstrom(path: Path, table: pd.DataFrame, voxel_size: Callable[[str], float | None]) -> pd.DataFrame:
    """Return a table without its column `COLUMN`, and with x, y, z in Å.

    Parameters
    ----------
    path
        Where it comes from.
    table
        ``experiment, x, y, z`` and, if there is one, the unit; the index is the line in the file.
    voxel_size
        Gives a tomogram's, Å; ``None`` where it is not known.

    Raises
    ------
    InputError
        If a unit is not known, or is the voxel of a tomogram whose size is not; the line is named.
    """
    if COLUMN not in table:
        return table
    units = table[COLUMN].map(unit_name)
    refuse(path, table[COLUMN], ~units.isin(list(UNITS)), f"the unit {', '.join(UNITS)}")
    scale = units.map(UNITS).to_numpy(np.float64, copy=True)
    voxels = units.isin(VOXELS).to_numpy()
    sizes = {name: voxel_size(name) for name in dict.fromkeys(table["experiment"][voxels])}
    unknown = table["experiment"].map({name: size is None for name, size in sizes.items()}).eq(True)
    refuse(path, table["experiment"], voxels & unknown, "a tomogram that is at hand, since positions are in its voxels")
    scale[voxels] = table["experiment"][voxels].map(sizes).to_numpy(np.float64)
    found = table.drop(columns=COLUMN)
    found[["x", "y", "z"]] *= scale[:, None]
    return found
