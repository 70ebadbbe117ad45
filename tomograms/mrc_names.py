"""Names of MRC files, and the runs that they mean."""

from collections.abc import Collection
from pathlib import Path

SUFFIXES = (".mrc", ".mrc.gz", ".rec", ".map")


def find_files(folder: Path) -> list[Path]:
    """Return the sorted MRC files directly in a folder, without hidden ones."""
    names = (f for f in folder.iterdir() if f.name.endswith(SUFFIXES) and not f.name.startswith("."))
    return sorted(f for f in names if not f.is_dir())


def run_name(path: str, runs: Collection[str] = (), suffixes: tuple[str, ...] = SUFFIXES) -> str:
    """Return the run that a path to a file means: its name without suffix, or as it stands if a run is called so."""
    name = path.rpartition("/")[2]
    ends = [suffix for suffix in suffixes if name.endswith(suffix)]
    return name if name in runs or not ends else name.removesuffix(max(ends, key=len))
