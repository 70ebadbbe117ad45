"""Picks as STAR files for RELION: ``runs/NAME/exports/SPECIES.star``, since in RELION one species is one job."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import starfile

from submissions.export.provenance import Provenance
from submissions.export.submission import Extent
from tomograms.coordinates import to_index
from tomograms.files import replacing


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
        As for `submissions.export.table.write_csv`.
    species
        Names.
    """
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
    voxel = to_index(rows[["x", "y", "z"]].to_numpy(), size)[:, ::-1]
    table = pd.DataFrame({"rlnTomoName": rows["experiment"]})
    for column, axis in enumerate("XYZ"):
        table[f"rlnCoordinate{axis}"] = voxel[:, column]
    for column, axis in enumerate("XYZ"):
        table[f"rlnCenteredCoordinate{axis}Angst"] = ((voxel - middle) * size)[:, column]
    table["rlnPixelSize"] = size[:, 0]
    table["rlnAutopickFigureOfMerit"] = rows["score"]
    return table
