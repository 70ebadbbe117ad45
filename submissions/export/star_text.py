"""STAR files: their text, written atomically, and the coordinates that their columns hold."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import starfile
from numpy.typing import NDArray

from submissions.export.names import needs_quotes
from submissions.export.submission import Extent
from tomograms.coordinates import to_index
from tomograms.files import replacing

Block = pd.DataFrame | dict[str, str]


def write_blocks(path: Path, blocks: Mapping[str, Block]) -> None:
    """Write a STAR file, atomically.

    Parameters
    ----------
    path
        The file; its folder is made if it is missing.
    blocks
        Tables, and dictionaries of texts, by name. Where one text needs quotes, all texts of the file get them.
    """
    texts = [text for block in blocks.values() for text in _texts(block)]
    with replacing(path) as temporary:
        starfile.write(dict(blocks), temporary, overwrite=True, quote_all_strings=any(map(needs_quotes, texts)))


def voxel_coordinates(
    rows: pd.DataFrame, extents: Mapping[str, Extent]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # (n, 3) xyz, voxels; (n, 1), Å
    """Return the picks' positions in voxels, 0 at the centre of the first voxel, and their tomograms' voxel sizes."""
    size = np.array([extents[name].voxel_size for name in rows["experiment"]]).reshape(-1, 1)
    return to_index(rows[["x", "y", "z"]].to_numpy(), size)[:, ::-1], size


def centred_coordinates(rows: pd.DataFrame, extents: Mapping[str, Extent]) -> NDArray[np.float64]:  # (n, 3) xyz, Å
    """Return the picks' positions in Å from the voxel with the index n / 2 of their tomograms."""
    voxel, size = voxel_coordinates(rows, extents)
    middle = np.array([np.asarray(extents[name].shape[::-1]) / 2 for name in rows["experiment"]]).reshape(-1, 3)
    return (voxel - middle) * size


def columns(
    pattern: str,
    values: NDArray[np.float64],  # (n, 3) xyz
) -> dict[str, NDArray[np.float64]]:
    """Return one column an axis; ``pattern`` has braces where the axis stands in its name."""
    return {pattern.format(axis): values[:, number] for number, axis in enumerate("XYZ")}


def _texts(block: Block) -> list[str]:
    """Return the texts in a block."""
    values = block.values() if isinstance(block, dict) else block.to_numpy(object).ravel()
    return [value for value in values if isinstance(value, str)]
