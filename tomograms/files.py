"""Files that are either complete or absent: written to a temporary name, then renamed."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tomograms.errors import InputError

Pairs = Callable[[list[tuple[str, Any]]], Any]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and rename it to ``path`` when the block ends without an error.

    A process that is killed, or a disk that fills up, leaves the old file (or none) and never a part of the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        with naming(path):
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give errors of the system ``path`` as their file's name where they have none, as those of a full disk do."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8; bytes of a path that are not UTF-8 stand there as escapes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically: sorted keys, indented, no NaN; floats survive a round trip exactly."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits.

    Raises
    ------
    InputError
        If it is missing.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        If it is missing or not JSON, or an object of it has a key twice, of which half would be lost.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{path}: expected each key of an object once, but {twice} occurs twice")
        return found

    try:
        return parse_json(path.read_bytes(), path, unique)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None


def parse_json(text: str | bytes, source: Path | str, pairs: Pairs | None = None) -> Any:
    """Return what JSON says.

    Parameters
    ----------
    text
        JSON, decoded or not.
    source
        The file, for messages.
    pairs
        Makes each object of its keys and values; by default the last of two equal keys counts.

    Raises
    ------
    InputError
        If it is not JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=pairs)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: expected JSON, but got something else ({error})") from None
