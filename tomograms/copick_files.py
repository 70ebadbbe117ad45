"""Where the tomograms and picks of a copick project lie, found by listing folders.

Copick's own search by patterns takes fifty times as long, which counts where there are thousands of runs.
"""

from typing import Any

SPACING = "VoxelSpacing"
SUFFIX = ".zarr"

Place = tuple[Any, str]
"""A file system of fsspec's and a path in it."""


def places(run: Any) -> list[Place]:
    """Return the folders of a run on a file system: the one that is written to, and the other one if there are two."""
    found = [(run.fs_overlay, run.overlay_path)]
    if not run.static_is_overlay:
        found.append((run.fs_static, run.static_path))
    return found


def names_in(place: Place) -> list[str]:
    """Return the sorted names of a folder's entries; none of a folder that is not there."""
    files, folder = place
    try:
        paths = files.ls(folder, detail=False)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)


def json_files(place: Place) -> list[str]:
    """Return the sorted paths of a folder's JSON files."""
    return [f"{place[1]}/{name}" for name in names_in(place) if name.endswith(".json") and not name.startswith(".")]


def volumes(run: Any, kind: str) -> dict[str, dict[str, list[Place]]]:
    """Return where a run's tomograms lie: by voxel spacing, Å with three decimals, and type.

    Of one that lies in both folders, only the place in the overlay. Copick's features of a tomogram are none. Those of
    projects whose config has another type than ``filesystem`` are known to copick alone, and may have one name.
    """
    if kind != "filesystem":
        return {f"{spacing.voxel_size:.3f}": _of_copick(spacing) for spacing in run.voxel_spacings}
    found: dict[str, dict[str, list[Place]]] = {}
    for files, folder in places(run):
        for name in names_in((files, folder)):
            size = _number(name.removeprefix(SPACING)) if name.startswith(SPACING) else None
            if size is None:
                continue
            types = found.setdefault(f"{size:.3f}", {})
            for volume in names_in((files, f"{folder}/{name}")):
                tomogram_type = volume.removesuffix(SUFFIX)
                if tomogram_type != volume and volume[0] != "." and "features" not in volume:
                    types.setdefault(tomogram_type, [(files, f"{folder}/{name}/{volume}")])
    return found


def _of_copick(spacing: Any) -> dict[str, list[Place]]:
    overlay: dict[str, list[Place]] = {}
    static: dict[str, list[Place]] = {}
    for one in spacing.tomograms:
        place = (one.fs_static, one.static_path) if one.read_only else (one.fs_overlay, one.overlay_path)
        (static if one.read_only else overlay).setdefault(one.tomo_type, []).append(place)
    return static | overlay


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
