"""Picks written into a copick project through its API, beside what people have picked and never over it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from copick.util.escape import sanitize_name

from submissions.export.provenance import Provenance
from submissions.export.submission import Extent
from tomograms.copick_project import open_copick
from tomograms.errors import InputError


@dataclass
class CopickTarget:
    """Where picks go: a project's overlay, under one user and session.

    Attributes
    ----------
    config
        The project's config JSON.
    user, session
        Under which the picks stand; neither may hold an underscore, which copick's file names are split at.
    overwrite
        Whether picks of this user and session are replaced.
    options
        Those of the command by which another user or session is chosen.
    """

    config: Path
    user: str
    session: str
    overwrite: bool
    options: str = "--user or --session"
    _project: Any = field(default=None, init=False)

    def check(self, experiments: Iterable[str], species: Sequence[str]) -> None:
        """Refuse, before anything is computed or written, what must not be overwritten.

        Raises
        ------
        InputError
            If the data are no copick project, a name is not one for copick, picks are there already and are not to be
            replaced, or look like a person's: with ``overwrite`` only picks with scores are replaced. Names of runs
            must not begin with a dot or hold ``*``, ``?`` or ``[``: copick would not find them, or find others' files.
        """
        self._open()
        for experiment in experiments:
            if experiment.startswith(".") or set("*?[") & set(experiment):
                raise InputError(
                    f"{self.config}: expected names of runs without *, ? and [ and not beginning with a dot, since "
                    f"copick finds files by patterns, but got {experiment!r}"
                )
            for pick_set in self._own(experiment, species):
                where = f"{self.config}: run {experiment}: picks of {pick_set.pickable_object_name}"
                if not self.overwrite:
                    raise InputError(
                        f"{where} by user {self.user} in session {self.session} exist; "
                        f"choose another {self.options}, or replace them with --overwrite"
                    )
                scores = {point.score for point in pick_set.points}
                if scores and scores <= {None, 1.0}:
                    raise InputError(
                        f"{where} by user {self.user} in session {self.session} carry no scores, as a person's do: "
                        f"they are not replaced; choose another {self.options}"
                    )

    def write(
        self, picks: pd.DataFrame, *, extents: Mapping[str, Extent], species: Sequence[str], provenance: Provenance
    ) -> int:
        """Write picks with scores, one pick set an experiment and species, also where nothing was found.

        Copick's files have no place for where picks come from; that is said in ``Provenance/USER_SESSION.json`` of each
        run in the overlay, which copick passes over.

        Parameters
        ----------
        picks
            Clipped candidates.
        extents
            By experiment: those that were predicted.
        species
            Names.
        provenance
            The same for all.

        Returns
        -------
        int
            How many pick sets were written.
        """
        project = self._open()
        written = 0
        for experiment, extent in extents.items():
            run = project.get_run(experiment)
            spacings = [spacing.voxel_size for spacing in run.voxel_spacings]
            rows = picks[picks["experiment"] == experiment]
            _write_provenance(run, asdict(provenance) | {"voxel_size": extent.voxel_size})
            for name in species:
                own = rows[rows["particle_type"] == name]
                pick_set = run.new_picks(name, session_id=self.session, user_id=self.user, exist_ok=self.overwrite)
                pick_set.meta.run_name = experiment
                pick_set.meta.voxel_spacing = min(spacings, key=lambda size: abs(size - extent.voxel_size))
                pick_set.meta.trust_orientation = False
                pick_set.from_numpy(own[["x", "y", "z"]].to_numpy(), scores=own["score"].to_numpy())
                written += 1
        return written

    def _open(self) -> Any:
        """Return the project, opened at the first call."""
        if self._project is not None:
            return self._project
        if self.config.suffix != ".json":
            raise InputError(f"--to copick: expected --data to be a copick config (JSON), but got {self.config}")
        for option, value in (("--user", self.user), ("--session", self.session)):
            try:
                clean = sanitize_name(value, suppress_warnings=True)
            except ValueError:
                clean = None
            if clean != value:
                raise InputError(
                    f'{option}: expected a name without underscores, spaces and <>:"/\\|?*, but got {value!r}'
                )
        self._project = open_copick(self.config)
        return self._project

    def _own(self, experiment: str, species: Sequence[str]) -> list[Any]:
        """Return the pick sets of this user and session in a run."""
        run = self._open().get_run(experiment)
        try:
            found = run.get_picks(user_id=self.user, session_id=self.session)
        except IndexError:
            raise InputError(
                f"{self.config}: run {experiment}: expected picks files named USER_SESSION_OBJECT.json, all that "
                "copick can list; move others out of the project's overlay"
            ) from None
        return [pick_set for pick_set in found if pick_set.pickable_object_name in species]


def _write_provenance(run: Any, content: Mapping[str, Any]) -> None:
    """Write where picks come from beside a run's picks, on whatever file system the overlay lies."""
    folder = f"{run.overlay_path.rstrip('/')}/Provenance"
    run.fs_overlay.makedirs(folder, exist_ok=True)
    with run.fs_overlay.open(f"{folder}/{content['user']}_{content['session']}.json", "w") as file:
        file.write(json.dumps(dict(content), indent=1) + "\n")
