"""Zarr arrays written by hand, file by file: the same whatever zarr is installed, and independent of it."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def blocks(data: NDArray[Any], chunks: tuple[int, ...]):
    """Yield the index and the voxels of each chunk; those that reach over the edge are filled with zeros."""
    for index in itertools.product(*(range(math.ceil(n / c)) for n, c in zip(data.shape, chunks, strict=True))):
        part = data[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]
        yield index, np.pad(part, [(0, c - n) for n, c in zip(part.shape, chunks, strict=True)])


def write_format_2(
    folder: Path,
    data: NDArray[Any],
    *,
    chunks: tuple[int, ...],
    separator: str = ".",
    order: str = "C",
    codec: Any = None,
    fill: int | None = 0,
) -> None:
    """Write an array of Zarr format 2; ``codec`` is one of numcodecs'."""
    folder.mkdir(parents=True)
    for index, block in blocks(data, chunks):
        content = block.tobytes(order=order)
        file = folder / separator.join(map(str, index))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(codec.encode(content)) if codec else content)
    metadata = {
        "chunks": chunks,
        "compressor": codec and codec.get_config(),
        "dimension_separator": separator,
        "dtype": data.dtype.str,
        "fill_value": fill,
        "filters": None,
        "order": order,
        "shape": data.shape,
        "zarr_format": 2,
    }
    (folder / ".zarray").write_text(json.dumps(metadata, indent=4, sort_keys=True))


def write_format_3(folder: Path, data: NDArray[Any], *, chunks: tuple[int, ...], encoding: dict[str, Any]) -> None:
    """Write an array of Zarr format 3, little-endian and not compressed."""
    folder.mkdir(parents=True)
    separator = encoding.get("configuration", {}).get("separator", {"default": "/", "v2": "."}[encoding["name"]])
    for index, block in blocks(data, chunks):
        file = folder / (f"c{separator}" * (encoding["name"] == "default") + separator.join(map(str, index)))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(block.astype(block.dtype.newbyteorder("<")).tobytes())
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": data.shape,
        "data_type": data.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": encoding,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "fill_value": 0,
        "attributes": {},
    }
    (folder / "zarr.json").write_text(json.dumps(metadata))


def level(scale: float, *, path: str = "0", unit: str | None = "angstrom") -> dict[str, Any]:
    """Return one entry of OME-NGFF multiscales, of one level."""
    axes = [{"name": name, "type": "space"} | ({"unit": unit} if unit else {}) for name in "zyx"]
    return {
        "axes": axes,
        "datasets": [{"path": path, "coordinateTransformations": [{"type": "scale", "scale": [scale] * 3}]}],
    }


def write_group_3(folder: Path, scale: float) -> None:
    """Write the metadata of an OME-Zarr 0.5 group around an array ``0``."""
    attributes = {"ome": {"version": "0.5", "multiscales": [level(scale)]}}
    content = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    (folder / "zarr.json").write_text(json.dumps(content))
