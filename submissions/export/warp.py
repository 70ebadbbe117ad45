"""Picks for WarpTools' ``ts_export_particles``: ``runs/NAME/exports/warp/SPECIES.star``."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from submissions.export.names import AS_IS, Naming, check_file_names, check_words, needs_quotes
from submissions.export.provenance import Provenance
from submissions.export.star_text import columns, voxel_coordinates, write_blocks
from submissions.export.submission import Extent
from tomograms.errors import InputError
from tomograms.files import write_json

OPTION = "--to warp"


def check_warp(tomograms: Iterable[str], *, species: Iterable[str], naming: Naming = AS_IS) -> None:
    """Refuse what `write_warp` could not write so that it is read back as it is.

    Raises
    ------
    InputError
        For a tomogram's name that a STAR file cannot hold, or only in quotes, since Warp splits lines at blanks; for a
        species that cannot name a file.
    """
    names = [_tomostar(naming, tomogram) for tomogram in tomograms]
    check_words(names, "names of tomograms", option=OPTION)
    for name in names:
        if needs_quotes(name):
            raise InputError(
                f"{OPTION}: expected names of tomograms that need no quotes in a STAR file (without spaces and #, not "
                f"beginning like a keyword), since Warp splits lines at blanks, but got {name!r}"
            )
    check_file_names(species, "names of species", option=OPTION)


def write_warp(
    folder: Path,
    picks: pd.DataFrame,
    *,
    species: Iterable[str],
    extents: Mapping[str, Extent],
    provenance: Provenance,
    naming: Naming = AS_IS,
) -> list[Path]:
    """Write one STAR file a species, also where it was not found, atomically; return the files.

    Its one block: ``rlnMicrographName``, ``TOMOGRAM.tomostar``; ``rlnCoordinateX/Y/Z`` in voxels of this tomogram, 0 at
    the centre of the first voxel; ``rlnPixelSize`` in Å; ``rlnAutopickFigureOfMerit``, the score. ``provenance.json``
    in ``folder`` has the fields of `Provenance`.

    Parameters
    ----------
    folder, picks, species, extents, provenance, naming
        As for `submissions.export.star.write_star`.

    Raises
    ------
    InputError
        As for `check_warp`; nothing is written then.
    """
    species = list(species)
    check_warp(picks["experiment"].unique(), species=species, naming=naming)
    write_json(folder / "provenance.json", asdict(provenance))
    paths = []
    for name in species:
        rows = picks[picks["particle_type"] == name].reset_index(drop=True)
        voxel, size = voxel_coordinates(rows, extents)
        table = pd.DataFrame(
            {
                "rlnMicrographName": [_tomostar(naming, tomogram) for tomogram in rows["experiment"]],
                **columns("rlnCoordinate{}", voxel),
                "rlnPixelSize": size[:, 0],
                "rlnAutopickFigureOfMerit": rows["score"],
            }
        )
        paths.append(folder / f"{name}.star")
        write_blocks(paths[-1], {"particles": table})
    return paths


def _tomostar(naming: Naming, tomogram: str) -> str:
    """Return how Warp calls a tilt series."""
    return f"{naming(tomogram)}.tomostar"
