"""Room on a disk: what will be written is compared with what is free, before any work starts."""

import os
import shutil
from pathlib import Path

from tomograms.errors import InputError

SPARE = 20_000_000
"""Bytes for whatever is not counted: tables, reports, pictures."""


def require_space(folder: Path, size: float, what: str) -> None:
    """Refuse to begin where a disk is too small, or a folder cannot be written into.

    Parameters
    ----------
    folder
        Where it will be written; it need not be there yet.
    size
        Bytes, rounded up.
    what
        What is written, for the message.

    Raises
    ------
    InputError
        If less is free, or the nearest folder that is there is not the user's to write into.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise InputError(f"{folder}: expected a folder named in UTF-8 to write {what}, for weights need it") from None
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: expected a place to write {what}, but {place} cannot be written into")
    free = shutil.disk_usage(place).free
    if free < size + SPARE:
        raise InputError(
            f"{folder}: expected {in_words(size + SPARE)} free on the disk for {what}, but it has {in_words(free)}"
        )


def in_words(size: float) -> str:
    """Return a number of bytes in words: ``3.2 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
