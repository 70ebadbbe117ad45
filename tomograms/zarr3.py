"""Arrays through zarr 3, which reads Zarr formats 2 and 3; format 2 is written, which zarr 2 reads, too."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import Blosc
from numpy.typing import NDArray
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.buffer.cpu import NDBuffer

FORMATS: tuple[int, ...] = (2, 3)
"""Formats that can be read."""


class _Keys(Store):
    """What a function returns for a key, as a store of zarr 3; nothing can be written or listed."""

    supports_writes = supports_deletes = supports_listing = False

    def __init__(self, read: Callable[[str, slice], bytes | None]) -> None:
        super().__init__(read_only=True)
        self._content = read

    def __eq__(self, value: object) -> bool:
        return self is value

    __hash__ = object.__hash__

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Return the bytes of a key."""
        content = await asyncio.to_thread(self._content, key, _part(byte_range))
        return None if content is None else prototype.buffer.from_bytes(content)

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> list[Any]:
        """Return the bytes of several keys."""
        return list(await asyncio.gather(*[self.get(key, prototype, part) for key, part in key_ranges]))

    async def exists(self, key: str) -> bool:
        """Return whether there is such a key."""
        return await asyncio.to_thread(self._content, key, slice(0, 0)) is not None

    async def set(self, key: str, value: Any) -> None:
        """Refuse to write."""
        raise PermissionError(key)

    async def delete(self, key: str) -> None:
        """Refuse to delete."""
        raise PermissionError(key)

    async def list(self) -> AsyncIterator[str]:
        """List nothing."""
        return
        yield

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """List nothing."""
        return
        yield

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List nothing."""
        return
        yield


def open_array(
    read: Callable[[str, slice], bytes | None], path: str, zarr_format: int
) -> Callable[[tuple[slice, ...], NDArray[np.float32]], None]:
    """Return a function that reads a part of an array; see `tomograms.zarr2.open_array`."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of codecs that no specification has
        array = zarr.open_array(store=_Keys(read), path=path, mode="r", zarr_format=zarr_format)

    def read_part(part: tuple[slice, ...], out: NDArray[np.float32]) -> None:
        array.get_basic_selection(part, out=NDBuffer.from_numpy_array(out))

    return read_part


def write_group(path: Path, data: NDArray[np.float32], chunks: tuple[int, ...], attributes: dict[str, Any]) -> None:
    """Write a group with attributes and an array ``0`` in format 2; see `tomograms.zarr2.write_group`."""
    group = zarr.open_group(str(path), mode="w-", zarr_format=2)
    group.create_array(
        "0",
        data=data,
        chunks=chunks,
        compressors=Blosc("zstd", clevel=5, shuffle=Blosc.BITSHUFFLE),
        chunk_key_encoding={"name": "v2", "separator": "/"},
        config={"write_empty_chunks": True},
    )
    group.attrs.update(attributes)


def _part(byte_range: Any) -> slice:
    """Return one of zarr's requests for bytes as a slice."""
    if isinstance(byte_range, RangeByteRequest):
        return slice(byte_range.start, byte_range.end)
    if isinstance(byte_range, OffsetByteRequest):
        return slice(byte_range.offset, None)
    if isinstance(byte_range, SuffixByteRequest):
        return slice(-byte_range.suffix, None)
    return slice(None)
