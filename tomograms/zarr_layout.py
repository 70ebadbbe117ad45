"""Metadata of a Zarr array, format 2 or 3: shape, chunks and the keys of their files."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tomograms.errors import InputError

LARGEST = 2**36
"""Voxels of a volume, 256 GiB in float32: more is a mistake in its metadata."""
AT_ONCE = 2**22
"""Voxels of a shard that are decoded at once, at most, unless a chunk in it has more."""
TYPES = frozenset(f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64)) - {"float8"}
"""Numbers, as format 3 calls them."""


@dataclass(frozen=True)
class Layout:
    """How an array lies in files.

    Attributes
    ----------
    shape
        ``(z, y, x)``.
    chunks
        Shape of what a file holds.
    prefix
        What the key of a file begins with.
    separator
        Between the numbers of a file's key.
    unit
        Shape of what is read at a time: a chunk, or some chunks of a shard.
    blosc
        Whether a file is one Blosc buffer.
    """

    shape: tuple[int, int, int]
    chunks: tuple[int, ...]
    prefix: str
    separator: str
    unit: tuple[int, ...]
    blosc: bool

    def files(self) -> Iterator[str]:
        """Yield the key of each file that must exist, without the array's own."""
        counts = [math.ceil(n / c) for n, c in zip(self.shape, self.chunks, strict=True)]
        for index in itertools.product(*map(range, counts)):
            yield self.prefix + self.separator.join(map(str, index))

    def parts(self) -> Iterator[tuple[str, tuple[slice, ...]]]:
        """Yield what is read at a time, and the key of the file that holds it."""
        counts = [math.ceil(n / u) for n, u in zip(self.shape, self.unit, strict=True)]
        for index in itertools.product(*map(range, counts)):
            starts = [i * u for i, u in zip(index, self.unit, strict=True)]
            file = [str(start // c) for start, c in zip(starts, self.chunks, strict=True)]
            stops = [min(s + u, n) for s, u, n in zip(starts, self.unit, self.shape, strict=True)]
            yield self.prefix + self.separator.join(file), tuple(map(slice, starts, stops))


def parse_format_2(array: Mapping[str, Any], where: str, group: str, *, booleans: bool = False) -> Layout:
    """Return the layout that a ``.zarray`` tells.

    Parameters
    ----------
    array
        Its content.
    where, group
        The file and the OME-Zarr group, for messages.
    booleans
        Whether yes and no are numbers, too.

    Raises
    ------
    InputError
        If it is no 3D array of numbers.
    """
    shape = _shape(array, group)
    try:
        chunks, kind = tuple(int(n) for n in array["chunks"]), np.dtype(array["dtype"]).kind
        valid = len(chunks) == 3 and min(chunks) >= 1 and array["zarr_format"] == 2
    except (KeyError, TypeError, ValueError, OverflowError):
        valid, chunks, kind = False, (), ""
    if not valid or kind not in ("fiub" if booleans else "fiu"):
        raise InputError(f"{where}: expected an array of numbers in Zarr format 2, but got {array}")
    separator = array.get("dimension_separator", ".")
    if separator not in (".", "/"):
        raise InputError(f"{where}: expected the dimension_separator . or /, but got {separator!r}")
    compressor = array.get("compressor")
    blosc = isinstance(compressor, Mapping) and compressor.get("id") == "blosc"
    return Layout(shape, chunks, "", separator, chunks, blosc)


def parse_format_3(array: Mapping[str, Any], where: str, group: str, *, booleans: bool = False) -> Layout:
    """Return the layout that an array's ``zarr.json`` tells; see `parse_format_2`."""
    shape = _shape(array, group)
    try:
        grid, encoding = array["chunk_grid"], array["chunk_key_encoding"]
        chunks = _triple(grid["configuration"]["chunk_shape"])
        kind = encoding["name"]
        separator = encoding.get("configuration", {}).get("separator", {"default": "/", "v2": "."}[kind])
        first, last = array["codecs"][0], array["codecs"][-1]
        unit = _triple(first["configuration"]["chunk_shape"]) if first["name"] == "sharding_indexed" else chunks
        valid = array["zarr_format"] == 3 and array["node_type"] == "array" and grid["name"] == "regular"
        valid = valid and array["data_type"] in (TYPES | {"bool"} if booleans else TYPES) and separator in (".", "/")
        valid = valid and all(c % u == 0 for c, u in zip(chunks, unit, strict=True))
        blosc = last["name"] == "blosc"
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        valid = False
    if not valid:
        raise InputError(f"{where}: expected an array of numbers on a regular grid in Zarr format 3, but got {array}")
    prefix = f"c{separator}" if kind == "default" else ""
    return Layout(shape, chunks, prefix, separator, _grown(unit, chunks, shape), blosc)


def _shape(array: Mapping[str, Any], group: str) -> tuple[int, int, int]:
    shape = array.get("shape")
    if not isinstance(shape, list) or [type(n) for n in shape] != [int] * 3 or min(shape) < 1:
        raise InputError(f"{group}: expected a 3D volume (z, y, x), but got the shape {shape}")
    if math.prod(shape) > LARGEST:
        raise InputError(f"{group}: expected at most {LARGEST} voxels, but got the shape {shape}")
    return shape[0], shape[1], shape[2]


def _triple(values: Any) -> tuple[int, ...]:
    if [type(n) for n in values] != [int] * 3 or min(values) < 1:
        raise ValueError(values)
    return tuple(values)


def _grown(unit: tuple[int, ...], chunks: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a multiple of a chunk in a shard, grown along x, then y, then z: each call of zarr's takes its time."""
    grown = list(unit)
    for axis in (2, 1, 0):
        inner = chunks[axis] // unit[axis]
        needed = math.ceil(min(chunks[axis], shape[axis]) / unit[axis])
        halvings = [n for n in (2**power for power in range(22)) if n <= needed and inner % n == 0]
        grown[axis] *= max(n for n in (*halvings, needed) if n == 1 or math.prod(grown) * n <= AT_ONCE)
    return tuple(grown)
