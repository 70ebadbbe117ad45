"""Any copick project on a file system, given as its config JSON and read through copick."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tomograms.errors import InputError
from tomograms.files import read_json
from tomograms.ome_zarr import StoredVolume, find_volume
from tomograms.particles import Particle, from_copick
from tomograms.picks import Choice, PickSet, parse_pick_set


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

    @property
    def simulated(self) -> bool:
        """False: what a project holds is nobody's simulation, as far as it says."""
        return False

    @cached_property
    def _runs(self) -> dict[str, Any]:
        return {run.name: run for run in sorted(self.project.runs, key=lambda run: run.name)}

    @cached_property
    def _picked(self) -> frozenset[str]:
        return frozenset(name for name in self._runs if self.pick_sets(name))

    def runs(self, split: str) -> tuple[str, ...]:
        """Return the sorted names of the runs with picks (``train``), or without (``test``)."""
        return tuple(name for name in self._runs if (name in self._picked) == (split == "train"))

    def volume(self, run: str) -> StoredVolume:
        """Return a run's volume, found but not read.

        Raises
        ------
        InputError
            If the run or its tomogram type is missing, several voxel spacings leave the choice open, or the volume's
            metadata are wrong.
        """
        spacings = self._run(run).voxel_spacings
        sizes = sorted(spacing.voxel_size for spacing in spacings)
        chosen = [
            s
            for s in spacings
            if self.choice.voxel_spacing is None or abs(s.voxel_size - self.choice.voxel_spacing) < 5e-4
        ]
        if len(chosen) != 1:
            asked = (
                "one voxel spacing or a choice of one"
                if self.choice.voxel_spacing is None
                else f"{self.choice.voxel_spacing:g}"
            )
            raise InputError(f"{self.root}: run {run}: expected the voxel spacing {asked}, but there are {sizes}")
        tomograms = chosen[0].get_tomograms(self.choice.tomogram_type)
        where = f"{self.root}: run {run}: voxel spacing {chosen[0].voxel_size:.3f}"
        if len(tomograms) != 1:
            types = sorted(tomogram.tomo_type for tomogram in chosen[0].tomograms)
            raise InputError(
                f"{where}: no tomogram type {self.choice.tomogram_type}; there are {', '.join(types) or 'none'}"
            )
        tomogram = tomograms[0]
        static = tomogram.read_only
        files, path = (
            (tomogram.fs_static, tomogram.static_path) if static else (tomogram.fs_overlay, tomogram.overlay_path)
        )
        return find_volume(files.get_mapper(path), path)  # copick's own store is opened for writing and renames keys

    def pick_sets(self, run: str) -> list[PickSet]:
        """Return the pick sets of a run's particles; none if nobody has picked.

        Raises
        ------
        InputError
            If the run is missing or a file of picks is damaged.
        """
        sets = [parse_pick_set(files.cat_file(path), path) for files, path in self._pick_files(run)]
        return [s for s in sets if s.particle_type not in self.ignored and self.choice.takes(s)]

    def _run(self, run: str) -> Any:
        if run not in self._runs:
            raise InputError(f"{self.root}: expected a run named {run}, but there are {', '.join(self._runs)}")
        return self._runs[run]

    def _pick_files(self, name: str) -> list[tuple[Any, str]]:
        """Return the file systems and paths of a run's picks.

        The folders are listed here, because copick fails on a file that is named ``{object}.json``, as Kaggle's are.
        """
        run = self._run(name)
        places = [(run.fs_overlay, run.overlay_path)]
        if not run.static_is_overlay:
            places.append((run.fs_static, run.static_path))
        return [
            (files, path)
            for files, folder in places
            for path in sorted(files.glob(f"{folder}/Picks/*.json"))
            if not Path(path).name.startswith(".")
        ]


def open_project(path: Path, choice: Choice) -> CopickProject:
    """Open the project of a copick config.

    Raises
    ------
    InputError
        If the file is not a copick config, or a folder that it names is missing.
    """
    content = read_json(path)
    objects = content.get("pickable_objects") if isinstance(content, dict) else None
    if not isinstance(objects, list) or "overlay_root" not in content:
        raise InputError(f"{path}: expected a copick config with pickable_objects and overlay_root, but got none")
    kind = content.get("config_type", "filesystem")
    if kind != "filesystem":
        raise InputError(f"{path}: expected config_type filesystem, but got {kind}")
    particles = from_copick(objects, path)
    ignored = frozenset(o["name"] for o in objects) - {particle.name for particle in particles}
    import copick

    try:
        project = copick.from_file(str(path))
        names = [run.name for run in project.runs]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: expected a copick config that copick can open, but it says: {reason}") from None
    if not names:
        raise InputError(f"{path}: expected at least one run, but the project has none")
    return CopickProject(path, particles, ignored, project, choice)
