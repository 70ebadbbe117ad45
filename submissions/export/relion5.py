"""Picks for RELION 5's import of coordinates: ``runs/NAME/exports/relion5/SPECIES/``."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from submissions.export.names import AS_IS, Naming, check_file_names, check_words
from submissions.export.provenance import Provenance
from submissions.export.star_text import centred_coordinates, columns, write_blocks
from submissions.export.submission import Extent
from tomograms.files import write_json

OPTION = "--to relion5"


def check_relion5(folder: Path, tomograms: Iterable[str], *, species: Iterable[str], naming: Naming = AS_IS) -> None:
    """Refuse what `write_relion5` could not write so that it is read back as it is.

    Raises
    ------
    InputError
        For a tomogram's name, or the path of a file, that a STAR file cannot hold; for a tomogram or species that
        cannot name a file.
    """
    tomograms, species = list(tomograms), list(species)
    check_words(map(naming, tomograms), "names of tomograms", option=OPTION)
    check_file_names(tomograms, "names of tomograms", option=OPTION)
    check_file_names(species, "names of species", option=OPTION)
    paths = [str(_file(folder, name, tomogram)) for name in species for tomogram in tomograms]
    check_words(paths, "paths of exported files", option=OPTION)


def write_relion5(
    folder: Path,
    picks: pd.DataFrame,
    *,
    species: Iterable[str],
    extents: Mapping[str, Extent],
    provenance: Provenance,
    naming: Naming = AS_IS,
) -> list[Path]:
    """Write a folder a species, also where it was not found, each file atomically; return the files to import.

    ``particles.star``: ``rlnTomoName``; ``rlnCenteredCoordinateX/Y/ZAngst`` in Å from the voxel with the index n / 2;
    ``rlnAutopickFigureOfMerit``, the score. ``tomograms/TOMOGRAM.star``: the same of one tomogram with picks; others'
    files are removed. ``import.star``: ``rlnTomoName`` and ``rlnTomoImportParticleFile``, the full path of that file.
    A file has one block only, since RELION's import reads the first; ``provenance.json`` in ``folder`` has the fields
    of `Provenance`. No file has ``rlnCoordinateX/Y/Z``, for RELION takes them for pixels of the tilt series.

    Parameters
    ----------
    folder, picks, species, extents, provenance, naming
        As for `submissions.export.star.write_star`.

    Raises
    ------
    InputError
        As for `check_relion5`; nothing is written then.
    """
    species = list(species)
    check_relion5(folder, picks["experiment"].unique(), species=species, naming=naming)
    write_json(folder / "provenance.json", asdict(provenance))
    written = []
    for name in species:
        rows = picks[picks["particle_type"] == name].reset_index(drop=True)
        table = pd.DataFrame(
            {
                "rlnTomoName": rows["experiment"].map(naming),
                **columns("rlnCenteredCoordinate{}Angst", centred_coordinates(rows, extents)),
                "rlnAutopickFigureOfMerit": rows["score"],
            }
        )
        write_blocks(folder / name / "particles.star", {"particles": table})
        files = {}
        for tomogram, own in table.groupby(rows["experiment"].to_numpy(), sort=False):
            path = _file(folder, name, str(tomogram))
            write_blocks(path, {"particles": own})
            files[naming(str(tomogram))] = str(path)
        for path in set((folder.resolve() / name / "tomograms").glob("*.star")) - set(map(Path, files.values())):
            path.unlink()
        index = pd.DataFrame({"rlnTomoName": list(files), "rlnTomoImportParticleFile": list(files.values())})
        written.append(folder / name / "import.star")
        write_blocks(written[-1], {"coordinate_files": index})
    return written


def _file(folder: Path, species: str, tomogram: str) -> Path:
    """Return the full path of one tomogram's coordinates."""
    return folder.resolve() / species / "tomograms" / f"{tomogram}.star"
