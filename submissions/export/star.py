"""Picks in the field's formats, beside the submission: CSV with scores, and STAR files for RELION.

``runs/NAME/exports/picks.csv`` holds everything; ``runs/NAME/exports/SPECIES.star`` one species, since in RELION one
species is one job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from submissions.export.submission import Extent
from tomograms.coordinates import to_index
from tomograms.files import replacing
from tomograms.picks import TRUTH_COLUMNS


@dataclass(frozen=True)
class Provenance:
    """Where picks come from; written into every export.

    Attributes
    ----------
    user, session
        Under which the picks stand (or would stand) in a copick project.
    tomogram_type
        ``denoised``, ``wbp``, ...
    run
        The cross-validation that trained the members.
    ensemble
        First twelve digits of the SHA-256 of its ``ensemble.json``.
    simulated
        Whether the tomograms are simulated.
    """

    user: str
    session: str
    tomogram_type: str
    run: str
    ensemble: str
    simulated: bool


def ensemble_version(path: Path) -> str:
    """Return what identifies an ``ensemble.json``: the first twelve digits of its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def write_csv(folder: Path, picks: pd.DataFrame, *, extents: Mapping[str, Extent], provenance: Provenance) -> Path:
    """Write all picks as ``picks.csv``, atomically; return the file.

    Columns: ``experiment, particle_type, x, y, z`` (Å), ``score``, ``voxel_size`` (Å), and those of `Provenance`.

    Parameters
    ----------
    folder
        Made if it is missing.
    picks
        Settled candidates (`submissions.export.submission.settle`).
    extents
        By experiment.
    provenance
        The same for all rows.
    """
    table = picks[[*TRUTH_COLUMNS, "score"]].copy()
    table["voxel_size"] = [extents[name].voxel_size for name in table["experiment"]]
    path = folder / "picks.csv"
    with replacing(path) as temporary:
        table.assign(**asdict(provenance)).to_csv(temporary, index=False, lineterminator="\n")
    return path


def write_star(
    folder: Path,
    picks: pd.DataFrame,
    *,
    species: Iterable[str],
    extents: Mapping[str, Extent],
    provenance: Provenance,
) -> list[Path]:
    """Write one STAR file a species, also where it was not found, atomically; return the files.

    Block ``particles``: ``rlnTomoName``; ``rlnCoordinateX/Y/Z`` in voxels of this tomogram, 0 at the centre of the
    first voxel; ``rlnCenteredCoordinateX/Y/ZAngst`` as RELION 5 wants them, in Å from the voxel with the index n / 2;
    ``rlnPixelSize`` in Å; ``rlnAutopickFigureOfMerit``, the score. Block ``provenance``: the fields of `Provenance`.

    Parameters
    ----------
    folder, picks, extents, provenance
        As for `write_csv`.
    species
        Names.
    """
    import starfile

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in species:
        rows = picks[picks["particle_type"] == name].reset_index(drop=True)
        path = folder / f"{name}.star"
        blocks = {"provenance": {key: str(value) for key, value in asdict(provenance).items()}}
        with replacing(path) as temporary:
            starfile.write({**blocks, "particles": _star_table(rows, extents)}, temporary, overwrite=True)
        paths.append(path)
    return paths


def _star_table(rows: pd.DataFrame, extents: Mapping[str, Extent]) -> pd.DataFrame:
    """Return RELION's columns of one species' picks."""
    size = np.array([extents[name].voxel_size for name in rows["experiment"]]).reshape(-1, 1)
    middle = np.array([np.asarray(extents[name].shape[::-1]) / 2 for name in rows["experiment"]]).reshape(-1, 3)
    voxel = to_index(rows[["x", "y", "z"]].to_numpy(), 1.0)[:, ::-1] / size
    table = pd.DataFrame({"rlnTomoName": rows["experiment"]})
    for column, axis in enumerate("XYZ"):
        table[f"rlnCoordinate{axis}"] = voxel[:, column]
    for column, axis in enumerate("XYZ"):
        table[f"rlnCenteredCoordinate{axis}Angst"] = ((voxel - middle) * size)[:, column]
    table["rlnPixelSize"] = size[:, 0]
    table["rlnAutopickFigureOfMerit"] = rows["score"]
    return table
