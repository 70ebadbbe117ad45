"""Arrays through zarr 2, which reads and writes Zarr format 2; see `tomograms.zarr3` for the other."""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

FORMATS: tuple[int, ...] = (2,)
"""Formats that can be read."""


class _Keys(MutableMapping[str, bytes]):
    """What a function returns for a key, as the mapping that zarr 2 takes for a store; nothing can be written."""

    def __init__(self, read: Callable[[str, slice], bytes | None]) -> None:
        self._content = read

    def __contains__(self, key: object) -> bool:
        return True  # what is missing is then asked for, and the function says so

    def __getitem__(self, key: str) -> bytes:
        content = self._content(key, slice(None))
        if content is None:
            raise KeyError(key)
        return content

    def __setitem__(self, key: str, value: bytes) -> None:
        raise PermissionError(key)

    def __delitem__(self, key: str) -> None:
        raise PermissionError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Store(zarr.storage.KVStore):
    """Such a mapping as a store in which a chunk may be missing, where the function says so by ``None``."""

    def getitems(self, keys: Iterable[str], *, contexts: Any = None) -> dict[str, bytes]:
        """Return those of several keys that are there."""
        contents = ((key, self._mutable_mapping.get(key)) for key in keys)
        return {key: content for key, content in contents if content is not None}


def open_array(
    read: Callable[[str, slice], bytes | None], path: str, zarr_format: int
) -> Callable[[tuple[slice, ...], NDArray[np.float32]], None]:
    """Return a function that reads a part of an array.

    Parameters
    ----------
    read
        Returns (part of) the bytes of a key, ``None`` for metadata that are not there; for a missing chunk it
        raises, or returns ``None``, too, where that holds the ``fill_value``.
    path
        The array's key.
    zarr_format
        One of `FORMATS`.

    Returns
    -------
    callable
        Takes the part and the array that it is read into.
    """
    array = zarr.open_array(store=_Store(_Keys(read)), path=path, mode="r")
    if array.dtype != np.float32:
        array = array.astype(np.float32)

    def read_part(part: tuple[slice, ...], out: NDArray[np.float32]) -> None:
        array.get_basic_selection(part, out=out)

    return read_part


def write_group(path: Path, data: NDArray[np.float32], chunks: tuple[int, ...], attributes: dict[str, Any]) -> None:
    """Write a group with attributes and an array ``0`` in format 2, compressed with Blosc."""
    group = zarr.open_group(zarr.DirectoryStore(str(path)), mode="w-")
    with _one_blosc_thread():
        group.create_dataset(
            "0",
            data=data,
            chunks=chunks,
            compressor=zarr.Blosc("zstd", clevel=5, shuffle=zarr.Blosc.BITSHUFFLE),
            dimension_separator="/",
        )
    group.attrs.update(attributes)


@contextmanager
def _one_blosc_thread() -> Iterator[None]:
    """Let Blosc compress with one thread: several lay a chunk's blocks down in the order in which they finish."""
    threads = zarr.blosc.set_nthreads(1)
    try:
        yield
    finally:
        zarr.blosc.set_nthreads(threads)
