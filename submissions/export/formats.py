"""The formats in which picks are handed on beside a submission."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ensemble.ensemble import FILE
from evaluation.run_directory import RunDirectory
from submissions.export.copick_picks import CopickTarget
from submissions.export.names import AS_IS, Naming
from submissions.export.provenance import Provenance, ensemble_version
from submissions.export.relion5 import check_relion5, write_relion5
from submissions.export.spool import Spool
from submissions.export.star import check_star, write_star
from submissions.export.submission import Extent
from submissions.export.table import write_csv
from submissions.export.warp import check_warp, write_warp
from tomograms.dataset import Dataset


class Exports:
    """What is written beside a submission.

    Parameters
    ----------
    formats
        Of ``copick``, ``csv``, ``relion5``, ``star`` and ``warp``.
    run, dataset
        What predicted, and what was predicted.
    user, session
        Under which the picks stand (or would stand) in a copick project.
    overwrite
        Whether copick picks of this user and session are replaced.
    naming
        What is put around tomograms' names for ``relion5``, ``star`` and ``warp``.
    species
        Names of those that files and pick sets are written of; by default the run's.
    """

    def __init__(
        self,
        formats: Collection[str],
        run: RunDirectory,
        dataset: Dataset,
        user: str,
        session: str,
        overwrite: bool,
        naming: Naming = AS_IS,
        species: Sequence[str] | None = None,
    ) -> None:
        self.formats = formats
        self.naming = naming
        self.species = [particle.name for particle in run.particles] if species is None else list(species)
        self.provenance = Provenance(
            user,
            session,
            dataset.record().tomogram_type,
            run.name,
            ensemble_version(run.path / FILE),
            dataset.simulated,
        )
        self.target = CopickTarget(dataset.root, user, session, overwrite)

    def check(self, experiments: Sequence[str], folder: Path) -> None:
        """Refuse, before anything is computed, what could not be written into ``folder`` or the copick project.

        Raises
        ------
        InputError
            As for the formats' own checks.
        """
        if "star" in self.formats:
            check_star(experiments, species=self.species, provenance=self.provenance, naming=self.naming)
        if "relion5" in self.formats:
            check_relion5(folder / "relion5", experiments, species=self.species, naming=self.naming)
        if "warp" in self.formats:
            check_warp(experiments, species=self.species, naming=self.naming)
        if "copick" in self.formats:
            self.target.check(experiments, self.species)

    def write(self, folder: Path, picks: Spool, extents: Mapping[str, Extent]) -> list[str]:
        """Write clipped picks in every format; files go into ``folder``. Return in words what was written.

        STAR files hold the picks of a species, which are read as a whole; elsewhere some tomograms are read at a time.
        """
        written = []
        stars = {
            "star": (folder, write_star),
            "relion5": (folder / "relion5", write_relion5),
            "warp": (folder / "warp", write_warp),
        }
        if "csv" in self.formats:
            written.append(str(write_csv(folder, picks.tables(), extents=extents, provenance=self.provenance)))
        for name, (place, write) in stars.items():
            if name in self.formats:
                paths = [
                    path
                    for species in self.species
                    for path in write(
                        place,
                        picks.of(species),
                        species=[species],
                        extents=extents,
                        provenance=self.provenance,
                        naming=self.naming,
                    )
                ]
                written.append(f"{len(paths)} STAR files ({name}) in {place}")
        if "copick" in self.formats:
            count = sum(
                self.target.write(
                    table,
                    extents={name: extents[name] for name in names},
                    species=self.species,
                    provenance=self.provenance,
                )
                for names, table in picks.parts()
            )
            written.append(f"{count} copick pick sets of user {self.target.user}, session {self.target.session}")
        return written
