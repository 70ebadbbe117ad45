"""Names of tomograms that can be written, printed and read back everywhere: as files, in tables, on a terminal."""

from collections.abc import Iterable
from pathlib import Path

from tomograms.errors import InputError

LONGEST = 200
"""Bytes of a name: a file system takes 255, and files are called after tomograms with more behind the name."""


def check_names(source: Path, names: Iterable[str]) -> None:
    """Refuse names of tomograms that no text file could hold, that break lines, or that are too long for files.

    Raises
    ------
    InputError
        Naming the first.
    """
    for name in names:
        try:
            size = len(name.encode("utf-8"))
        except UnicodeEncodeError:
            raise InputError(f"{source}: expected names of tomograms in UTF-8, but got {name!r}") from None
        if size > LONGEST:
            raise InputError(
                f"{source}: expected names of tomograms of at most {LONGEST} bytes, but got {size}: {name[:40]!r}..."
            )
        if not name.isprintable():
            raise InputError(f"{source}: expected names of tomograms of printable characters, but got {name!r}")
