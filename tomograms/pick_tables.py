"""Picks of many runs in one table: CSV in a stated unit, and RELION's STAR files."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import starfile

from tomograms.coordinates import to_angstrom
from tomograms.errors import InputError
from tomograms.mrc_names import SUFFIXES, run_name
from tomograms.picks import NEAR, TRUTH_COLUMNS, join_truth
from tomograms.tables import read_table, refuse
from tomograms.units import COLUMN, in_angstrom
from tomograms.volume import Volume

NAMES = ("rlnTomoName", "rlnMicrographName")
VOXEL = tuple(f"rlnCoordinate{axis}" for axis in "XYZ")
SERIES = ("rlnTomoTiltSeriesPixelSize", "rlnMicrographPixelSize")
"""Of particles or optics: the pixels that RELION counts ``rlnCoordinateX/Y/Z`` in, not the tomogram's voxels."""
DETECTOR, MAGNIFICATION = "rlnDetectorPixelSize", "rlnMagnification"
"""µm and their quotient, as RELION 3.0 and Warp wrote the size of pixels; without the latter Å, as PyTom writes it."""
EXPORTED = {"tomogram_type", "run", "ensemble", "simulated"}
"""Columns of a CSV file that this project has written."""
OWN_SIZES = {"rlnPixelSize", DETECTOR}
"""Of particles: voxels that must be the tomogram's."""
ORIGIN = tuple(f"rlnOrigin{axis}Angst" for axis in "XYZ")
PIXELS = tuple(f"rlnOrigin{axis}" for axis in "XYZ")
TURNED = tuple(f"rlnTomoSubtomogram{angle}" for angle in ("Rot", "Tilt", "Psi"))
CENTRED = tuple(f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ")


def is_export(path: Path) -> bool:
    """Return whether a file of picks says that this project has written it: CSV by its columns, STAR by a block."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        if path.suffix == ".csv":
            return set(file.readline().strip().split(",")) >= EXPORTED
        return any(line.split()[:1] == ["data_provenance"] for line in file)


def read_csv(
    path: Path, *, runs: Collection[str], species: Collection[str], volume: Callable[[str], Volume]
) -> pd.DataFrame:
    """Read picks from CSV: ``experiment, particle_type, x, y, z`` and, if there is one, ``unit``.

    Parameters
    ----------
    path
        The file. Without a unit, positions are in Å. Voxels count from 0 at the centre of the first.
    runs, species
        Names that may occur. A run may also be called by its file.
    volume
        Gives a run's volume.

    Returns
    -------
    Columns ``experiment, particle_type, x, y, z``, Å.

    Raises
    ------
    InputError
        If a column is missing, or a run, a species or a unit is not known, or a coordinate is not a finite number; the
        line is named.
    """
    table = read_table(path, TRUTH_COLUMNS, numbers=TRUTH_COLUMNS[2:], optional=(COLUMN,))
    table["experiment"] = [run_name(name, runs) for name in table["experiment"]]
    for column, known, rule in (("experiment", runs, "run"), ("particle_type", species, "species")):
        refuse(path, table[column], ~table[column].isin(list(known)), f"a {rule} of {', '.join(known)}")
    return join_truth([in_angstrom(path, table, lambda run: volume(run).voxel_size)])


def read_star(path: Path, *, runs: Collection[str], volume: Callable[[str], Volume]) -> pd.DataFrame:
    """Read picks of the species that a STAR file is called after.

    Block ``particles``, or the only one. ``rlnTomoName`` or ``rlnMicrographName`` names the run, with or without
    folder and suffix. ``rlnCenteredCoordinateX/Y/ZAngst`` is in Å from the voxel with the index n / 2. Without it
    ``rlnCoordinateX/Y/Z`` is in pixels of the tilt series where their size is told (`SERIES`) and the particles have
    none of `OWN_SIZES`, else in voxels, 0 at the centre of the first. Where all of them lie between
    0 and 1, they are in parts of the volume's voxels, as Warp's template matching writes them. Origins of a refinement
    (`ORIGIN`) are taken off.

    Parameters
    ----------
    path
        The file.
    runs
        Names that may occur.
    volume
        Gives a run's volume.

    Returns
    -------
    Columns ``experiment, particle_type, x, y, z``, Å.

    Raises
    ------
    InputError
        If it is no STAR file, a block or column occurs twice, a column is missing, a run is not known, a coordinate is
        not a finite number, coordinates are in voxels of another size than the tomogram's (`OWN_SIZES`), or origins are
        in pixels, or in subtomograms that are turned.
    """
    table, optics = _particles(path)
    name = next((name for name in NAMES if name in table), None)
    columns = next((columns for columns in (CENTRED, VOXEL) if set(columns) <= set(table)), None)
    if name is None or columns is None:
        raise InputError(
            f"{path}: expected the columns {' or '.join(NAMES)}, and rlnCoordinateX, Y, Z or "
            f"rlnCenteredCoordinateXAngst, YAngst, ZAngst, but got {', '.join(map(str, table)) or 'none'}"
        )
    lost = table[name].isna().to_numpy()
    _refuse_rows(path, table[name], lost, f"a name for {name} that is not read as missing, as nan, NaN and <NA> are,")
    names = [run_name(text, runs, (*SUFFIXES, ".tomostar")) for text in table[name].astype(str)]
    _refuse_rows(path, table[name], ~np.isin(names, list(runs)), f"a run of {', '.join(runs)} for {name}")
    position = _numbers(path, table, columns)
    volumes = {run: volume(run) for run in set(names)}
    size = np.array([volumes[run].voxel_size for run in names])
    shape = np.array([volumes[run].shape for run in names]).reshape(-1, 3)
    if columns == CENTRED:
        position += np.concatenate([to_angstrom(n / 2, s) for n, s in zip(shape, size, strict=True)] or [position])
    elif not OWN_SIZES & set(table) and _are_parts(position):
        position *= shape[:, ::-1] * size[:, None]
    elif OWN_SIZES & set(table):
        _check_voxels(path, table, size)
        position *= size[:, None]
    else:
        position *= _pixels(path, table, optics, size)[:, None]
    xyz = dict(zip("xyz", (position - _origins(path, table)).T, strict=True))
    return join_truth([pd.DataFrame({"experiment": names, "particle_type": path.stem, **xyz})])


def _numbers(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return columns of finite numbers, ``(n, k)``."""
    values = np.empty((len(table), len(columns)))
    for place, column in enumerate(columns):
        values[:, place] = pd.to_numeric(table[column], errors="coerce")
        _refuse_rows(path, table[column], ~np.isfinite(values[:, place]), f"a finite number for {column}")
    return values


def _are_parts(position: np.ndarray) -> bool:
    """Return whether positions, ``(n, 3)``, are parts of a volume's edges: as voxels, all would lie in the first."""
    return bool(np.all((position >= 0) & (position <= 1)) and np.any(position % 1))


def _origins(path: Path, table: pd.DataFrame) -> np.ndarray:
    """Return by how much a refinement has moved each particle's box, ``(n, 3)`` xyz, Å; RELION takes it off."""
    given = [name for name in (*ORIGIN, *PIXELS) if name in table]
    moved = np.any(_numbers(path, table, given), axis=1)
    turned = np.any(_numbers(path, table, [name for name in TURNED if name in table]), axis=1)
    if not moved.any():
        return np.zeros((len(table), 3))
    if not set(ORIGIN) <= set(given):
        rule = f"origins in Å ({', '.join(ORIGIN)}), or 0"
        _refuse_rows(path, table[given[0]], moved, rule)
    _refuse_rows(path, table[given[0]], moved & turned, f"{given[0]} = 0 where {TURNED[0]} turns the subtomogram")
    return _numbers(path, table, ORIGIN)


def _check_voxels(path: Path, table: pd.DataFrame, size: np.ndarray) -> None:
    """Refuse coordinates in voxels of another size than the tomogram's, as one of `OWN_SIZES` tells."""
    name = "rlnPixelSize" if "rlnPixelSize" in table else DETECTOR
    told = np.asarray(pd.to_numeric(table[name], errors="coerce"), np.float64)
    if name == DETECTOR and MAGNIFICATION in table:  # µm
        told = told * 1e4 / _numbers(path, table, [MAGNIFICATION])[:, 0]
    rule = f"coordinates in voxels of the tomogram and their size within 1 % for {name}"
    _refuse_rows(path, table[name], ~(np.abs(told / size - 1) <= NEAR), rule)


def _pixels(path: Path, table: pd.DataFrame, optics: pd.DataFrame, size: np.ndarray) -> np.ndarray:
    """Return Å per pixel of each particle's coordinates: the tilt series' where `SERIES` tells it, else ``size``."""
    own = next((name for name in SERIES if name in table), None)
    if own is not None:
        told = _numbers(path, table, [own])[:, 0]
        _refuse_rows(path, table[own], ~(told > 0), f"a size above 0 Å for {own}")
        return told
    name = next((name for name in SERIES if name in optics), None)
    if name is None:
        return size
    told = np.asarray(pd.to_numeric(optics[name], errors="coerce"), np.float64)
    _refuse_rows(path, optics[name], ~((told > 0) & np.isfinite(told)), f"a size above 0 Å for {name}")
    if len(set(told)) == 1:
        return np.full(len(table), told[0])
    group = "rlnOpticsGroup"
    if group not in table or group not in optics or optics[group].duplicated().any():
        raise InputError(f"{path}: expected {group} in both blocks, since {name} differs, but got none")
    found = table[group].map(dict(zip(optics[group], told, strict=True))).to_numpy(np.float64)
    _refuse_rows(path, table[group], np.isnan(found), f"an {group} of the block optics")
    return found


def _particles(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the blocks of particles and of optics of a STAR file; the latter is empty if there is none."""
    try:
        blocks = starfile.read(path, always_dict=True, parse_as_string=list(NAMES))
    except Exception as error:  # the parser has no kind of error of its own
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: expected a STAR file, but it cannot be read ({reason})") from None
    with path.open(encoding="utf-8", errors="replace") as file:
        begun = [line.split()[0] for line in file if line.startswith("data_")]
    again = next((name for name in begun if begun.count(name) > 1), None)
    if again is not None:  # the parser keeps the last
        raise InputError(f"{path}: expected each block once, but got {again} twice")
    block = blocks.get("particles", next(iter(blocks.values())) if len(blocks) == 1 else None)
    if isinstance(block, dict):  # one particle, written without a loop
        block = pd.DataFrame([block])
    if not isinstance(block, pd.DataFrame):
        found = ", ".join(name or "one without a name" for name in blocks) or "none"
        raise InputError(f"{path}: expected a block particles, or one block alone, with a table, but got {found}")
    optics = blocks.get("optics", pd.DataFrame())
    if isinstance(optics, dict):
        optics = pd.DataFrame([optics])
    for one in (block, optics):
        twice = one.columns[one.columns.duplicated()]
        if len(twice):
            raise InputError(f"{path}: expected each column once, but got {twice[0]} twice")
    return block, optics


def _refuse_rows(path: Path, values: pd.Series, bad: np.ndarray, rule: str) -> None:
    """Refuse a STAR file for the first of its rows, from 1, that breaks a rule."""
    rows = np.flatnonzero(bad)
    if len(rows):
        more = f" (and {len(rows) - 1} more such rows)" if len(rows) > 1 else ""
        got = str(values.iloc[rows[0]])
        raise InputError(f"{path}: particle {rows[0] + 1}: expected {rule}, but got {got!r}{more}")
