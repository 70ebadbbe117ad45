"""A folder of MRC files: ``{run}.mrc``, and ``picks.csv``, ``{species}.star`` or copick's JSON files."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tomograms.errors import InputError
from tomograms.files import read_json
from tomograms.mrc import find_volume
from tomograms.mrc_names import find_files, run_name
from tomograms.particles import CZII, Particle, from_copick
from tomograms.pick_tables import is_export, read_csv, read_star
from tomograms.picks import Choice, PickSet, make_pick_set
from tomograms.tables import some_of
from tomograms.volume import Volume

PICKS = "picks.csv"
SPECIES = "particles.json"
"""A file with the list that a copick config calls ``pickable_objects``."""


@dataclass(frozen=True)
class MrcFolder:
    """A folder of MRC files, read in place.

    Attributes
    ----------
    root
        The folder.
    files
        Its tomograms by run.
    particles
        Every species.
    ignored
        Names of objects that are not particles, whose picks are passed over.
    choice
        Whose picks; its voxel spacing is the voxel size of files whose headers have none, Å. It has no types of
        tomograms.
    picks
        The folder with files of picks, or the only such file.
    """

    root: Path
    files: Mapping[str, Path]
    particles: tuple[Particle, ...]
    ignored: frozenset[str]
    choice: Choice
    picks: Path
    simulated = False
    """Nobody's simulation, as far as the files say."""
    has_test_folder = False
    """Runs without picks are those to be predicted."""

    @cached_property
    def _picked(self) -> dict[str, list[PickSet]]:
        """Everybody's picks by run; those of tables are a person's, since none tells who made it."""
        known = [*(particle.name for particle in self.particles), *sorted(self.ignored)]
        files = _find_picks(self.picks)
        stars = [path for path in files if path.suffix == ".star"]
        for path in stars:
            if path.stem not in known:
                raise InputError(f"{path}: expected a file called after a species, {', '.join(known)}")
        found: dict[tuple[str, str], PickSet] = {}
        for path in [*stars, *(path for path in files if path.suffix == ".csv")]:
            table = (
                read_star(path, runs=self.files, volume=self.volume)
                if path.suffix == ".star"
                else read_csv(path, runs=self.files, species=known, volume=self.volume)
            )
            exported = is_export(path)
            for key, rows in table.groupby(["experiment", "particle_type"]):
                run, name = map(str, key)
                if (run, name) in found:
                    raise InputError(
                        f"{path}: expected the picks of {name} in {run} in one file, but {found[run, name].source} "
                        "has some, too"
                    )
                position = rows[["x", "y", "z"]].to_numpy()
                found[run, name] = PickSet(
                    str(path), name, "", "", position, voxels=False, program=False, exported=exported
                )
        sets: dict[str, list[PickSet]] = {run: [] for run in self.files}
        for (run, _), pick_set in found.items():
            sets[run].append(pick_set)
        for path in (path for path in files if path.suffix == ".json"):
            content = read_json(path) if path.name != SPECIES else None
            if isinstance(content, dict) and ("points" in content or path == self.picks):  # others are no picks
                run = run_name(str(content.get("run_name")), self.files)
                name = str(content.get("pickable_object_name"))
                for value, names, what in ((run, self.files, "run_name"), (name, known, "pickable_object_name")):
                    if value not in names:
                        raise InputError(f"{path}: expected the {what} {', '.join(names)}, but got {value!r}")
                whose = str(content.get("user_id") or ""), str(content.get("session_id") or "")
                sets[run].append(make_pick_set(content, str(path), (*whose, name), program=False))
        return sets

    def names(self) -> tuple[str, ...]:
        """Return the sorted names of all files' runs."""
        return tuple(sorted(self.files))

    def runs(self, split: str) -> tuple[str, ...]:
        """Return the sorted names of the runs with picks (``train``), or without (``test``)."""
        return tuple(
            sorted(run for run in self.files if bool(self.choice.among(self.pick_sets(run))) == (split == "train"))
        )

    def volume(self, run: str) -> Volume:
        """Return a run's volume, found but not read.

        Raises
        ------
        InputError
            If the run is missing, or its file is none that `tomograms.mrc.find_volume` takes.
        """
        return find_volume(self._file(run), self.choice.voxel_spacing)

    def segmentations(self, run: str, name: str) -> list[Volume]:
        """Return no segmentations: only copick's projects hold some."""
        return []

    def pick_sets(self, run: str) -> list[PickSet]:
        """Return everybody's pick sets of a run's particles; none if nobody has picked.

        Raises
        ------
        InputError
            If the run is missing or a file of picks is damaged.
        """
        self._file(run)
        return [s for s in self._picked[run] if s.particle_type not in self.ignored]

    def _file(self, run: str) -> Path:
        if run not in self.files:
            raise InputError(f"{self.root}: expected a run named {run}, but there are {some_of(self.files)}")
        return self.files[run]


def open_mrc_folder(root: Path, choice: Choice, picks: Path | None = None) -> MrcFolder:
    """Open a folder of MRC files.

    Parameters
    ----------
    root, choice
        See `MrcFolder`.
    picks
        Where picks lie, if that is not beside the tomograms.

    Raises
    ------
    InputError
        If two files are of one run, the species' file is damaged, or there are no picks where they are said to lie.
    """
    if picks is not None and not _find_picks(picks):
        found = "a folder without any" if picks.is_dir() else "another file" if picks.exists() else "nothing"
        raise InputError(
            f"--picks: expected a file .csv, SPECIES.star or .json, or a folder with {PICKS}, SPECIES.star or .json, "
            f"but {picks} is {found}"
        )
    beside = picks or root
    files: dict[str, Path] = {}
    for path in find_files(root):
        other = files.setdefault(run_name(path.name), path)
        if other != path:
            raise InputError(f"{root}: expected one file a run, but got {other.name} and {path.name}")
    if not (root / SPECIES).exists():
        return MrcFolder(root, files, CZII, frozenset(), choice, beside)
    objects = read_json(root / SPECIES)
    if not isinstance(objects, list):
        raise InputError(f"{root / SPECIES}: expected a list of objects as a copick config's, but got something else")
    particles = from_copick(objects, root / SPECIES)
    ignored = frozenset(o["name"] for o in objects) - {particle.name for particle in particles}
    return MrcFolder(root, files, particles, ignored, choice, beside)


def _find_picks(path: Path) -> list[Path]:
    """Return the sorted files of picks in a folder, without hidden ones, or the file itself if it may be one."""
    kinds = (PICKS, "*.star", "*.json")
    if path.is_dir():
        return sorted(f for kind in kinds for f in path.glob(kind) if not f.name.startswith("."))
    return [path] if path.is_file() and path.suffix in (".csv", ".star", ".json") else []
