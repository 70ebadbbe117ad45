"""OME-Zarr volumes: NGFF 0.4 in Zarr format 2, 0.5 in format 3 where zarr 3 is installed; every chunk is checked."""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from tomograms.errors import InputError
from tomograms.files import parse_json
from tomograms.ngff import multiscales, parse_multiscales
from tomograms.stores import WHOLE, DictStore, FolderStore, Store
from tomograms.zarr_layout import Layout, parse_format_2, parse_format_3

if int(zarr.__version__.partition(".")[0]) >= 3:
    from tomograms.zarr3 import FORMATS, open_array, write_group
else:
    from tomograms.zarr2 import FORMATS, open_array, write_group

READERS = min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
"""Chunks that are read at a time, each by one thread: decoding, copying and adding up leave Python to the others."""
METADATA = frozenset((".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"))
BLOSC_HEADER = 16
"""Bytes, of which the last four tell how long the whole buffer is."""


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
    zarr_format
        2 or 3.
    layout
        Shape, chunks and their keys.
    voxel_size
        Å.
    sparse
        Whether a chunk that is missing holds the array's ``fill_value``: most of a mask's chunks are 0 throughout, and
        zarr 3 leaves these out.
    """

    store: Store
    source: str
    path: str
    zarr_format: int
    layout: Layout
    voxel_size: float
    sparse: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(z, y, x)``."""
        return self.layout.shape

    def read(self) -> NDArray[np.float32]:
        """Read the voxels.

        Raises
        ------
        InputError
            If a chunk is missing or cannot be decoded, or a voxel is not finite.
        """
        read_part = self._open()
        volume = np.empty(self.shape, np.float32)

        def fill(piece: tuple[str, tuple[slice, ...]]) -> None:
            key, place = piece
            name = f"{self.source}/{self.path}/{key}"
            part = volume[place]
            part[-1, -1, -1] = np.nan  # and stays so where a chunk holds too few voxels, which some codecs overlook
            with np.errstate(over="ignore", invalid="ignore"):
                try:
                    read_part(place, part)
                except InputError:
                    raise
                except Exception as error:  # each codec has its own kind of error for damaged bytes
                    raise InputError(f"{name}: expected an intact chunk, but it cannot be decoded ({error})") from None
                quick = part.sum()  # not finite where a voxel is not, or where large ones overflow
            if not np.isfinite(quick) and not np.isfinite(part).all():
                raise InputError(f"{name}: expected finite voxels, but got NaN or infinity")

        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(fill, self.layout.parts()))  # in order: of several errors the first chunk's is raised
        return volume

    def fingerprint(self) -> str:
        """Return a hash of the metadata and of the bytes of the chunks."""
        digest = hashlib.blake2b(digest_size=16)
        group, array = _names(self.zarr_format)
        for key in (group, f"{self.path}/{array}", *(f"{self.path}/{key}" for key in self.layout.files())):
            try:
                content = self.store.read(key)
            except KeyError:
                content = b""
            digest.update(f"{key} {len(content)} ".encode())
            digest.update(content)
        return digest.hexdigest()

    def _open(self) -> Callable[[tuple[slice, ...], NDArray[np.float32]], None]:
        """Return zarr's way of reading a part of the array."""
        try:
            return open_array(self._content, self.path, self.zarr_format)
        except InputError:
            raise
        except Exception as error:  # an unknown codec, among others
            raise InputError(
                f"{self.source}/{self.path}: expected an array of Zarr format {self.zarr_format}, but {error}"
            ) from None

    def _content(self, key: str, part: slice) -> bytes | None:
        """Return what zarr asks for, where it is what it should be; zarr itself overlooks some of the damages.

        Where a chunk is missing or a shard is empty, zarr gives a constant. Blosc reads on beyond the end of a buffer
        that is too short.
        """
        try:
            content = self.store.read(key, part)
        except KeyError:
            if self.sparse or PurePosixPath(key).name in METADATA:
                return None
            raise InputError(
                f"{self.source}/{key}: expected a chunk of the volume {self.shape}, but the file is missing; zarr 3 "
                "leaves out chunks that hold one value only, unless it is told write_empty_chunks"
            ) from None
        if PurePosixPath(key).name in METADATA:
            return content
        expected = len(content) or "some"
        if part == WHOLE and self.layout.blosc:
            expected = max(BLOSC_HEADER, int.from_bytes(content[BLOSC_HEADER - 4 : BLOSC_HEADER], "little"))
        elif part.start is not None and part.stop is not None:
            expected = part.stop - part.start
        if expected != len(content):
            raise InputError(
                f"{self.source}/{key}: expected an intact chunk, but it cannot be decoded (it has {len(content)} bytes "
                f"where {expected} were written)"
            )
        return content


def open_store(path: Path) -> Store:
    """Return a folder as a store."""
    return FolderStore(path)


def find_mask(store: Store, source: str) -> ZarrVolume:
    """Read the metadata of a mask, which may be of booleans, and lack chunks without anything in them.

    See `find_volume`.
    """
    return replace(find_volume(store, source, booleans=True), sparse=True)


def find_volume(store: Store, source: str, *, booleans: bool = False) -> ZarrVolume:
    """Read a volume's metadata.

    Parameters
    ----------
    store
        The OME-Zarr group.
    source
        Where it lies, for messages.
    booleans
        Whether its array may be of booleans.

    Raises
    ------
    InputError
        If it is of Zarr format 3 and the installed zarr does not read that, if its multiscales are none
        (`tomograms.ngff.parse_multiscales`), or if its array is not 3D or not of numbers.
    """
    zarr_format = (
        3 if "zarr.json" in store and ".zattrs" not in store else 2
    )  # converters leave both, of the same chunks
    if zarr_format not in FORMATS:
        raise InputError(
            f"{source}: expected Zarr format 2, all that the installed zarr {zarr.__version__} reads, but got format 3 "
            "(zarr.json, as OME-Zarr 0.5 has it); install zarr 3 and the copick that works with it: "
            'pip install "zarr>=3.1.6,<4" "copick>=2.0.0a6,<3"'
        )
    group, name = _names(zarr_format)
    attributes = _json(store, group, source)
    if zarr_format == 3:
        attributes = _inner(attributes, "attributes", "ome")
    path, voxel_size = parse_multiscales(attributes, f"{source}/{group}")
    where = f"{source}/{path}/{name}"
    array = _json(store, f"{path}/{name}", source)
    if zarr_format == 3:
        return ZarrVolume(store, source, path, 3, parse_format_3(array, where, source, booleans=booleans), voxel_size)
    layout = parse_format_2(array, where, source, booleans=booleans)
    if "dimension_separator" not in array and f"{path}/0.0.0" not in store and f"{path}/0/0/0" in store:
        layout = replace(layout, separator="/")  # of zarr-python before 2.8, whose nested stores did not say so
        told = json.dumps(array | {"dimension_separator": "/"}).encode()
        store = DictStore({f"{path}/.zarray": told}, store)
    return ZarrVolume(store, source, path, 2, layout, voxel_size)


def write_volume(path: Path, volume: NDArray[np.float32], voxel_size: float) -> None:
    """Write a volume as OME-NGFF 0.4 in Zarr format 2, with one level, whatever zarr is installed.

    Parameters
    ----------
    path
        The folder ``{tomogram_type}.zarr``; it must not exist.
    volume
        ``(z, y, x)``.
    voxel_size
        Å.
    """
    z, y, x = volume.shape
    chunks = (min(z, 64), min(y, 256), min(x, 256))
    write_group(path, np.asarray(volume, np.float32), chunks, multiscales(voxel_size))


def _names(zarr_format: int) -> tuple[str, str]:
    """Return the names of the files that hold a group's attributes and an array's metadata."""
    return (".zattrs", ".zarray") if zarr_format == 2 else ("zarr.json", "zarr.json")


def _inner(content: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return an object within objects; an empty one where there is none."""
    for key in keys:
        inner = content.get(key)
        content = inner if isinstance(inner, dict) else {}
    return content


def _json(store: Store, key: str, source: str) -> dict[str, Any]:
    """Return a metadata file's content."""
    try:
        text = store.read(key)
    except KeyError:
        raise InputError(f"{source}/{key}: no such file; expected an OME-NGFF volume") from None
    content = parse_json(text, f"{source}/{key}")
    if not isinstance(content, dict):
        raise InputError(f"{source}/{key}: expected a JSON object, but got something else")
    return content
