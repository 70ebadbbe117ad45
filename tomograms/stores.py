"""Files of a Zarr hierarchy by key, whole or in part: in a folder, on any file system, in memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tomograms.errors import InputError

WHOLE = slice(None)


@contextmanager
def reaching(where: str) -> Iterator[None]:
    """Turn whatever a store raises that cannot be reached into an `InputError`: each kind has errors of its own.

    Parameters
    ----------
    where
        What is read, for the message.
    """
    try:
        yield
    except (InputError, KeyError):
        raise
    except Exception as error:
        raise InputError(f"{where}: cannot be read ({reason(error)})") from None


def reason(error: Exception) -> str:
    """Return an error of somebody else's in one line that is not too long."""
    text = " ".join(str(error).split())[:300] or type(error).__name__
    return f"{text} is not there" if isinstance(error, FileNotFoundError) and error.errno is None else text


class Store(Protocol):
    """Bytes by key: ``.zattrs``, ``0/.zarray``, ``0/0/1/0``."""

    def __contains__(self, key: str) -> bool:
        """Return whether there is such a file."""

    def read(self, key: str, part: slice = WHOLE) -> bytes:
        """Return a file's bytes, or some of them: from a start (negative: from the end) to a stop.

        Raises
        ------
        KeyError
            If there is no such file.
        """


@dataclass(frozen=True)
class FolderStore:
    """The files of a folder."""

    path: Path

    def __contains__(self, key: str) -> bool:
        return (self.path / key).is_file()

    def read(self, key: str, part: slice = WHOLE) -> bytes:
        """See `Store`."""
        try:
            with (self.path / key).open("rb", buffering=0) as file:
                if part == WHOLE:
                    return file.readall()
                size = file.seek(0, 2)
                start, stop, _ = part.indices(size)
                file.seek(start)
                return file.read(max(stop - start, 0))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise KeyError(key) from None


@dataclass(frozen=True)
class FileSystemStore:
    """The files below a path of an ``fsspec`` file system.

    Errors of a file system that cannot be reached become an `InputError`.
    """

    files: Any
    path: str

    def __contains__(self, key: str) -> bool:
        with reaching(f"{self.path}/{key}"):
            return bool(self.files.isfile(f"{self.path}/{key}"))

    def read(self, key: str, part: slice = WHOLE) -> bytes:
        """See `Store`."""
        with reaching(f"{self.path}/{key}"):
            try:
                return bytes(self.files.cat_file(f"{self.path}/{key}", start=part.start, end=part.stop))
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise KeyError(key) from None


@dataclass(frozen=True)
class DictStore:
    """Files in memory, laid over those of another store."""

    content: Mapping[str, bytes]
    below: Store | None = None

    def __contains__(self, key: str) -> bool:
        return key in self.content or (self.below is not None and key in self.below)

    def read(self, key: str, part: slice = WHOLE) -> bytes:
        """See `Store`."""
        if key in self.content or self.below is None:
            return self.content[key][part]
        return self.below.read(key, part)
