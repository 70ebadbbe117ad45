"""The formats in which picks are handed on beside a submission."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ensemble.ensemble import FILE
from evaluation.run_directory import RunDirectory
from submissions.export.copick_picks import CopickTarget
from submissions.export.provenance import Provenance, ensemble_version
from submissions.export.star import write_star
from submissions.export.submission import Extent
from submissions.export.table import write_csv
from tomograms.dataset import Dataset


class Exports:
    """What is written beside a submission.

    Parameters
    ----------
    formats
        Of ``copick``, ``csv`` and ``star``.
    run, dataset
        What predicted, and what was predicted.
    user, session
        Under which the picks stand (or would stand) in a copick project.
    overwrite
        Whether copick picks of this user and session are replaced.
    """

    def __init__(
        self, formats: Collection[str], run: RunDirectory, dataset: Dataset, user: str, session: str, overwrite: bool
    ) -> None:
        self.formats = formats
        self.species = [particle.name for particle in run.particles]
        self.provenance = Provenance(
            user,
            session,
            dataset.record().tomogram_type,
            run.name,
            ensemble_version(run.path / FILE),
            dataset.simulated,
        )
        self.target = CopickTarget(dataset.root, user, session, overwrite)

    def check(self, experiments: Sequence[str]) -> None:
        """Refuse, before anything is computed, what could not be written; see `CopickTarget.check`."""
        if "copick" in self.formats:
            self.target.check(experiments, self.species)

    def write(self, folder: Path, picks: pd.DataFrame, extents: Mapping[str, Extent]) -> list[str]:
        """Write clipped picks in every format; files go into ``folder``. Return in words what was written."""
        written = []
        if "csv" in self.formats:
            written.append(str(write_csv(folder, picks, extents=extents, provenance=self.provenance)))
        if "star" in self.formats:
            paths = write_star(folder, picks, species=self.species, extents=extents, provenance=self.provenance)
            written.append(f"{len(paths)} STAR files in {folder}")
        if "copick" in self.formats:
            count = self.target.write(picks, extents=extents, species=self.species, provenance=self.provenance)
            written.append(f"{count} copick pick sets of user {self.target.user}, session {self.target.session}")
        return written
