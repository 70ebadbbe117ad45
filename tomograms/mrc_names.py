"""Names of MRC files, and the runs that they mean."""

import re
from collections.abc import Collection
from pathlib import Path

SUFFIXES = tuple(kind + packed for packed in ("", ".gz", ".bz2") for kind in (".mrc", ".rec", ".map"))
"""In small letters or capitals."""
OUTPUT = re.compile(r"(?:rec_)?(.+?)(?:_\d+\.\d+Apx)?")
"""What RELION (``rec_TS_1``) and Warp (``TS_1_10.00Apx``) call the tomogram of a tilt series."""


def find_files(folder: Path) -> list[Path]:
    """Return the sorted MRC files directly in a folder, without hidden ones."""
    names = (f for f in folder.iterdir() if f.name.lower().endswith(SUFFIXES) and not f.name.startswith("."))
    return sorted(f for f in names if not f.is_dir())


def run_name(path: str, runs: Collection[str] = (), suffixes: tuple[str, ...] = SUFFIXES) -> str:
    """Return the run that a path to a file means: its name without suffix.

    Of known runs it is the one that is called as the name stands, or without one or several suffixes, or that is the
    only one that RELION or Warp would have called after it.
    """
    name = path.rpartition("/")[2]
    shorter = [name]
    while ends := [suffix for suffix in suffixes if shorter[-1].lower().endswith(suffix) and shorter[-1] != suffix]:
        shorter.append(shorter[-1][: -max(map(len, ends))])
    if not runs:
        return shorter[:2][-1]
    called = [run for run in runs if (found := OUTPUT.fullmatch(run)) and found[1] in shorter]
    return next((name for name in shorter if name in runs), called[0] if len(called) == 1 else shorter[-1])
