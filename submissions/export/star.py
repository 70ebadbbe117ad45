"""Picks as STAR files for RELION: ``runs/NAME/exports/SPECIES.star``, since in RELION one species is one job."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from submissions.export.names import AS_IS, Naming, check_file_names, check_words
from submissions.export.provenance import Provenance
from submissions.export.star_text import centred_coordinates, columns, voxel_coordinates, write_blocks
from submissions.export.submission import Extent
from tomograms.errors import InputError

OPTION = "--to star"


def check_star(
    tomograms: Iterable[str], *, species: Iterable[str], provenance: Provenance, naming: Naming = AS_IS
) -> None:
    """Refuse what `write_star` could not write so that it is read back as it is.

    Raises
    ------
    InputError
        For a tomogram's name or a provenance that a STAR file cannot hold, or a species that cannot name a file.
    """
    check_words(map(naming, tomograms), "names of tomograms", option=OPTION)
    check_file_names(species, "names of species", option=OPTION)
    values = [str(value) for value in asdict(provenance).values()]
    check_words(values, "a user, session, tomogram type and run", option=OPTION)
    for value in values:
        if "\\" in value:  # which readers of single values take for an escape
            raise InputError(f"{OPTION}: expected a user, session and run without backslashes, but got {value!r}")


def write_star(
    folder: Path,
    picks: pd.DataFrame,
    *,
    species: Iterable[str],
    extents: Mapping[str, Extent],
    provenance: Provenance,
    naming: Naming = AS_IS,
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
    naming
        What is put around the names of tomograms.

    Raises
    ------
    InputError
        As for `check_star`; nothing is written then.
    """
    species = list(species)
    check_star(picks["experiment"].unique(), species=species, provenance=provenance, naming=naming)
    origin = {key: str(value) for key, value in asdict(provenance).items()}
    paths = []
    for name in species:
        rows = picks[picks["particle_type"] == name].reset_index(drop=True)
        path = folder / f"{name}.star"
        write_blocks(path, {"provenance": origin, "particles": _star_table(rows, extents, naming)})
        paths.append(path)
    return paths


def _star_table(rows: pd.DataFrame, extents: Mapping[str, Extent], naming: Naming) -> pd.DataFrame:
    """Return RELION's columns of one species' picks."""
    voxel, size = voxel_coordinates(rows, extents)
    return pd.DataFrame(
        {
            "rlnTomoName": rows["experiment"].map(naming),
            **columns("rlnCoordinate{}", voxel),
            **columns("rlnCenteredCoordinate{}Angst", centred_coordinates(rows, extents)),
            "rlnPixelSize": size[:, 0],
            "rlnAutopickFigureOfMerit": rows["score"],
        }
    )
