"""Any copick project, given as its config JSON and opened through copick, wherever it lies."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import copick
from copick.util.uri import resolve_copick_objects

from tomograms import copick_files
from tomograms.copick_pick_sets import pick_sets
from tomograms.errors import InputError, NoTomogramError
from tomograms.files import read_json
from tomograms.ome_zarr import find_mask, find_volume
from tomograms.particles import Particle, from_copick
from tomograms.pick_checks import check_spacing
from tomograms.picks import Choice, PickSet
from tomograms.stores import FileSystemStore, reaching, reason
from tomograms.tables import some_of
from tomograms.volume import Volume

READERS = 8
"""Runs whose picks are looked for at a time."""
PATTERN = frozenset("*?[]")
"""Copick looks for files with patterns, in which these mean others than themselves."""


@dataclass(frozen=True)
class CopickProject:
    """A copick project.

    Attributes
    ----------
    root
        The config file.
    particles
        Its pickable objects that are particles.
    ignored
        Names of its other objects, such as membranes, whose picks are passed over.
    project
        The ``copick`` root.
    choice
        Which tomograms and picks.
    """

    root: Path
    particles: tuple[Particle, ...]
    ignored: frozenset[str]
    project: Any
    choice: Choice
    simulated = False
    """What a project holds is nobody's simulation, as far as it says."""
    has_test_folder = False
    """Runs without picks are those to be predicted."""

    @cached_property
    def _runs(self) -> dict[str, Any]:
        return {run.name: run for run in sorted(self.project.runs, key=lambda run: run.name)}

    @cached_property
    def _picked(self) -> frozenset[str]:
        with ThreadPoolExecutor(READERS) as readers:  # a network's answers are waited for, many at a time
            picked = list(readers.map(lambda name: bool(self.choice.among(self.pick_sets(name))), self._runs))
        return frozenset(name for name, has in zip(self._runs, picked, strict=True) if has)

    def names(self) -> tuple[str, ...]:
        """Return the sorted names of all runs."""
        return tuple(self._runs)

    def runs(self, split: str) -> tuple[str, ...]:
        """Return the sorted names of the runs with picks (``train``), or without (``test``)."""
        return tuple(name for name in self._runs if (name in self._picked) == (split == "train"))

    def volume(self, run: str) -> Volume:
        """Return a run's volume, found but not read.

        Raises
        ------
        InputError
            If the run or its tomogram type is missing, several voxel spacings leave the choice open, or the volume's
            metadata are wrong.
        """
        where = f"{self.root}: run {run}"
        with reaching(where):
            volumes = copick_files.volumes(self._run(run), self.project.config.config_type)
        name = self.choice.spacing(volumes, where)
        found = volumes[name].get(self.choice.tomogram_type, [])
        if not found:
            types = ", ".join(sorted(volumes[name])) or "none"
            raise NoTomogramError(
                f"{where}: voxel spacing {name}: no tomogram type {self.choice.tomogram_type}; there are {types}"
            )
        if len(found) > 1:
            raise InputError(
                f"{where}: voxel spacing {name}: expected one tomogram of type {self.choice.tomogram_type}, but got "
                f"{', '.join(path for _, path in found)}"
            )
        files, path = found[0]
        # Copick's own store is opened for writing and renames keys.
        return check_spacing(find_volume(FileSystemStore(files, path), path), name)

    def segmentations(self, run: str, name: str) -> list[Volume]:
        """Return a run's segmentations that ``NAME`` or ``NAME:USER/SESSION`` means to copick, found but not read.

        Raises
        ------
        InputError
            If copick makes no sense of the name, or a segmentation's metadata are wrong.
        """
        with reaching(f"{self.root}: run {run}: segmentations"):
            try:
                found = resolve_copick_objects(name, self.project, "segmentation", run_name=self._run(run).name)
            except ValueError as error:
                raise InputError(f"{self.root}: expected a segmentation's name, but got {name!r} ({error})") from None
        return [find_mask(FileSystemStore(one.fs, one.path), one.path) for one in found]

    def pick_sets(self, run: str) -> list[PickSet]:
        """Return everybody's pick sets of a run's particles; none if nobody has picked.

        Raises
        ------
        InputError
            If the run is missing, or picks are damaged or cannot be reached.
        """
        sets = pick_sets(self._run(run), self.project.config.config_type, f"{self.root}: run {run}")
        return [s for s in sets if s.particle_type not in self.ignored]

    def _run(self, run: str) -> Any:
        if run not in self._runs:
            raise InputError(f"{self.root}: expected a run named {run}, but there are {some_of(self._runs)}")
        return self._runs[run]


def open_project(path: Path, choice: Choice) -> CopickProject:
    """Open the project of a copick config.

    Raises
    ------
    InputError
        If the file is not a copick config, a folder that it names is missing, or a store cannot be reached.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a copick config, but got something else")
    croissant = content.get("config_type") == "mlcroissant"  # names its objects itself, and may be its own overlay
    if not croissant:
        objects = content.get("pickable_objects")
        if not isinstance(objects, list) or "overlay_root" not in content:
            raise InputError(f"{path}: expected a copick config with pickable_objects and overlay_root, but got none")
        from_copick(objects, path)  # names what is wrong in fewer words than copick
    for name in ("static_root", "overlay_root"):
        if set(str(content.get(name))) & PATTERN:
            raise InputError(f"{path}: expected a {name} without * ? [ ], copick's wildcards, but got {content[name]}")
    project = open_copick(path)
    _check_roots(path, content, project)
    objects = [entry.model_dump() for entry in project.config.pickable_objects]
    particles = from_copick(objects, path)
    ignored = frozenset(o["name"] for o in objects) - {particle.name for particle in particles}
    if not project.runs:
        raise InputError(f"{path}: expected at least one run, but the project has none")
    return CopickProject(path, particles, ignored, project, choice)


def _check_roots(path: Path, content: Mapping[str, Any], project: Any) -> None:
    """Refuse local roots that are no folders: copick takes them for empty. An overlay may have to be made."""
    for name in ("static_root", "overlay_root") if project.config.config_type == "filesystem" else ():
        told = str(content.get(name) or "")
        if not told or ("://" in told and not told.startswith(("local://", "file://"))):
            continue
        folder = Path(getattr(project, "root_static" if name == "static_root" else "root_overlay"))
        made_later = name == "overlay_root" and "$" not in told and not folder.exists()
        if not folder.is_dir() and not made_later:
            variables = "; copick does not put in variables" if "$" in told else ""
            raise InputError(f"{path}: expected a folder as {name}, but {folder.absolute()} is none{variables}")


def open_copick(path: Path) -> Any:
    """Return copick's project, its runs listed.

    Copick lets every library tell what it does (it sets the root logger to INFO); only warnings are let through here.

    Raises
    ------
    InputError
        If copick cannot open it, or a store cannot be reached.
    """
    try:
        project = copick.from_file(str(path))
        len(project.runs)
    except Exception as error:  # each kind of store has errors of its own
        content = read_json(path)
        roots = ("static_root", "overlay_root", "dataset_ids", "croissant_url", "croissant_base_url")
        where = ", ".join(str(content[name]) for name in roots if content.get(name))
        raise InputError(
            f"{path}: expected a copick config that copick can open, but it says of {where}: {reason(error)}"
        ) from None
    finally:
        logging.getLogger().setLevel(logging.WARNING)
    return project
