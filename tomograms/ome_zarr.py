"""OME-NGFF 0.4 volumes in Zarr format 2: voxel size, shape, voxels, and a check of every chunk.

A store is any mapping from keys (``.zattrs``, ``0/.zarray``, ``0/0/1/0``) to bytes; `open_store` makes one of a folder.
"""

import hashlib
import itertools
import json
import math
import os
import warnings
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from tomograms.coordinates import AXES
from tomograms.errors import InputError
from tomograms.files import parse_json

UNITS = {None: 1.0, "angstrom": 1.0, "nanometer": 10.0}
"""Å per unit of an NGFF axis; files without units are taken to be in Å, as copick writes them."""
LARGEST = 2**36
"""Voxels of a volume, 256 GiB in float32: more is a mistake in its metadata."""
SHIFT = 0.01
"""Voxels by which a volume may be translated: no more than rounding."""
READERS = min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
"""Chunks that are read at a time, each by one thread: decoding, copying and adding up leave Python to the others."""


class _BloscStore(zarr.storage.KVStore):
    """A store of Blosc chunks, each as long as its header says: Blosc itself reads on beyond the end of a short one."""

    def getitems(self, keys: Sequence[str], *, contexts: Mapping[str, Any]) -> Mapping[str, bytes]:
        """Return what the keys hold."""
        found = super().getitems(keys, contexts=contexts)
        for content in found.values():
            if len(content) < zarr.blosc.MAX_OVERHEAD or zarr.blosc.cbuffer_sizes(content)[1] != len(content):
                raise ValueError(f"it has {len(content)} bytes, its header says otherwise")
        return found


@dataclass(frozen=True)
class ZarrVolume:
    """A `tomograms.volume.Volume` in Zarr.

    Attributes
    ----------
    store
        Keys and bytes.
    source
        Where it lies, for messages.
    path
        The key of its full-resolution array.
    shape
        ``(z, y, x)``.
    chunks
        Shape of a chunk.
    separator
        Between the numbers of a chunk's key.
    voxel_size
        Å.
    """

    store: MutableMapping[str, bytes]
    source: str
    path: str
    shape: tuple[int, int, int]
    chunks: tuple[int, ...]
    separator: str
    voxel_size: float

    def chunk_keys(self) -> Iterator[tuple[tuple[int, ...], str]]:
        """Yield the index and the key of each chunk that must exist."""
        counts = [math.ceil(n / c) for n, c in zip(self.shape, self.chunks, strict=True)]
        for index in itertools.product(*map(range, counts)):
            yield index, f"{self.path}/{self.separator.join(map(str, index))}"

    def read(self) -> NDArray[np.float32]:
        """Read the voxels.

        Raises
        ------
        InputError
            If a chunk is missing or cannot be decoded, or a voxel is not finite.
        """
        array = self._array()
        volume = np.empty(self.shape, np.float32)

        def fill(chunk: tuple[tuple[int, ...], str]) -> None:
            index, key = chunk
            name = f"{self.source}/{key}"
            if key not in self.store:  # Zarr fills a chunk that is missing with a constant and says nothing
                raise InputError(f"{name}: expected a chunk of the volume {self.shape}, but the file is missing")
            part = volume[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, self.chunks, strict=True))]
            part[-1, -1, -1] = np.nan  # and stays so where a chunk holds too few voxels, which some codecs overlook
            with np.errstate(over="ignore", invalid="ignore"):
                try:
                    array.get_block_selection(index, out=part)
                except Exception as error:  # each codec has its own kind of error for damaged bytes
                    raise InputError(f"{name}: expected an intact chunk, but it cannot be decoded ({error})") from None
                quick = part.sum()  # not finite where a voxel is not, or where large ones overflow
            if not np.isfinite(quick) and not np.isfinite(part).all():
                raise InputError(f"{name}: expected finite voxels, but got NaN or infinity")

        # cbuffer_sizes is about to go, for Blosc will look itself; but not in any numcodecs that Zarr 2 works with
        hushed = warnings.catch_warnings(action="ignore", category=DeprecationWarning)
        with hushed, ThreadPoolExecutor(READERS) as pool:
            list(pool.map(fill, self.chunk_keys()))  # in order: of several errors the first chunk's is raised
        return volume

    def fingerprint(self) -> str:
        """Return a hash of the metadata and of the bytes of the chunks."""
        digest = hashlib.blake2b(digest_size=16)
        for key in (".zattrs", f"{self.path}/.zarray", *(key for _, key in self.chunk_keys())):
            content = self.store.get(key, b"")
            digest.update(f"{key} {len(content)} ".encode())
            digest.update(content)
        return digest.hexdigest()

    def _array(self) -> Any:
        """Return Zarr's array of float32 over the store."""
        try:
            array = zarr.open_array(store=zarr.storage.KVStore(self.store), path=self.path, mode="r")
            if isinstance(array.compressor, zarr.Blosc):
                array = zarr.open_array(store=_BloscStore(self.store), path=self.path, mode="r")
        except Exception as error:  # an unknown codec, among others
            raise InputError(f"{self.source}/{self.path}: expected an array of Zarr format 2, but {error}") from None
        return array if array.dtype == np.float32 else array.astype(np.float32)


def open_store(path: Path) -> MutableMapping[str, bytes]:
    """Return a folder as a store."""
    return zarr.DirectoryStore(str(path))


def find_volume(store: MutableMapping[str, bytes], source: str) -> ZarrVolume:
    """Read a volume's metadata.

    Parameters
    ----------
    store
        The OME-Zarr group.
    source
        Where it lies, for messages.

    Raises
    ------
    InputError
        If it is of Zarr format 3, has no OME-NGFF scale, has axes other than z, y, x, voxels that are not cubic within
        0.1 %, or is not 3D.
    """
    if "zarr.json" in store:
        raise InputError(f"{source}: expected Zarr format 2, but got format 3 (zarr.json); write it with zarr < 3")
    attributes = _json(store, ".zattrs", source)
    try:
        level = attributes["multiscales"][0]
        dataset = level["datasets"][0]
        path = str(dataset["path"])
        axes = [axis["name"] for axis in level["axes"]]
        units = [axis.get("unit") for axis in level["axes"]]
        steps = [*dataset["coordinateTransformations"], *level.get("coordinateTransformations", [])]
        scales = [step["scale"] for step in steps if step["type"] == "scale"]
        scale = np.prod(np.array(scales, np.float64), axis=0)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{source}/.zattrs: expected OME-NGFF multiscales with axes and a scale, but got something else ({error!r})"
        ) from None
    array = _json(store, f"{path}/.zarray", source)
    shape = array.get("shape") if isinstance(array, dict) else None
    if not isinstance(shape, list) or [type(n) for n in shape] != [int] * 3 or min(shape) < 1:
        raise InputError(f"{source}: expected a 3D volume (z, y, x), but got the shape {shape}")
    if math.prod(shape) > LARGEST:
        raise InputError(f"{source}: expected at most {LARGEST} voxels, but got the shape {shape}")
    if axes != list(AXES) or scale.shape != (3,):
        raise InputError(f"{source}/.zattrs: expected the axes z, y, x with three scales, but got {axes}")
    if any(unit not in list(UNITS) for unit in units):
        raise InputError(f"{source}/.zattrs: expected axes in angstrom or nanometer, but got {units}")
    size = scale * [UNITS[unit] for unit in units]
    if not (np.all(np.isfinite(size)) and size.min() > 0 and size.max() <= size.min() * 1.001):
        raise InputError(f"{source}/.zattrs: expected cubic voxels above 0 Å, but got {size.tolist()} Å (z, y, x)")
    offset = np.zeros(3)
    try:
        for transformation in steps:  # in the order in which they are applied
            if transformation["type"] == "scale":
                offset = offset * np.array(transformation["scale"], np.float64)
            elif transformation["type"] == "translation":
                offset = offset + np.array(transformation["translation"], np.float64)
    except (KeyError, TypeError, ValueError):
        offset = np.full(3, np.nan)
    if not np.all(np.abs(offset) <= SHIFT * scale):
        raise InputError(
            f"{source}/.zattrs: expected no translation, since positions are measured from the centre of the first "
            f"voxel, but got {offset.tolist()} (z, y, x)"
        )
    try:
        chunks, kind = tuple(int(n) for n in array["chunks"]), np.dtype(array["dtype"]).kind
        valid = len(chunks) == 3 and min(chunks) >= 1 and array["zarr_format"] == 2
    except (KeyError, TypeError, ValueError, OverflowError):
        valid, chunks, kind = False, (), ""
    if not valid or kind not in "fiu":
        raise InputError(f"{source}/{path}/.zarray: expected an array of numbers in Zarr format 2, but got {array}")
    separator = array.get("dimension_separator", ".")
    if separator not in (".", "/"):
        raise InputError(f"{source}/{path}/.zarray: expected the dimension_separator . or /, but got {separator!r}")
    if "dimension_separator" not in array and f"{path}/0.0.0" not in store and f"{path}/0/0/0" in store:
        separator = "/"  # of zarr-python before 2.8, whose nested stores did not say so
        told = json.dumps(array | {"dimension_separator": separator}).encode()
        store = ChainMap({f"{path}/.zarray": told}, store)
    return ZarrVolume(store, source, path, tuple(shape), chunks, separator, float(size.mean()))


def write_volume(path: Path, volume: NDArray[np.float32], voxel_size: float) -> None:
    """Write a volume as OME-NGFF 0.4 in Zarr format 2, with one level.

    Parameters
    ----------
    path
        The folder ``{tomogram_type}.zarr``; it must not exist.
    volume
        ``(z, y, x)``.
    voxel_size
        Å.
    """
    group = zarr.open_group(open_store(path), mode="w-")
    with _one_blosc_thread():
        group.create_dataset(
            "0",
            data=np.asarray(volume, np.float32),
            chunks=tuple(min(n, c) for n, c in zip(volume.shape, (64, 256, 256), strict=True)),
            compressor=zarr.Blosc("zstd", clevel=5, shuffle=zarr.Blosc.BITSHUFFLE),
            dimension_separator="/",
        )
    scale = {"type": "scale", "scale": [voxel_size] * 3}
    group.attrs["multiscales"] = [
        {
            "name": "/",
            "version": "0.4",
            "axes": [{"name": name, "type": "space", "unit": "angstrom"} for name in AXES],
            "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
        }
    ]


@contextmanager
def _one_blosc_thread() -> Iterator[None]:
    """Let Blosc compress with one thread: several lay a chunk's blocks down in the order in which they finish."""
    threads = zarr.blosc.set_nthreads(1)
    try:
        yield
    finally:
        zarr.blosc.set_nthreads(threads)


def _json(store: Mapping[str, bytes], key: str, source: str) -> dict[str, Any]:
    """Return a metadata file's content."""
    if key not in store:
        raise InputError(f"{source}/{key}: no such file; expected an OME-NGFF volume in Zarr format 2")
    content = parse_json(bytes(store[key]), f"{source}/{key}")
    if not isinstance(content, dict):
        raise InputError(f"{source}/{key}: expected a JSON object, but got something else")
    return content
