"""Masks: where in a tomogram particles are looked for; one volume a tomogram, not 0 inside."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tomograms import mrc, ome_zarr
from tomograms.coordinates import to_index
from tomograms.errors import InputError
from tomograms.mrc_names import find_files, run_name
from tomograms.picks import NEAR
from tomograms.source import Source
from tomograms.volume import Volume

NONE = "none"
"""What stands for no mask where one is the default."""
LOWEST = np.iinfo(np.int8).min
"""What IMOD writes for 0 into signed bytes."""
SOFT = 0.5
"""From which value on a voxel lies inside; masks may have soft edges between 0 and 1."""
OVERSHOOT = 0.1
"""By how much a soft mask may go beyond 0 and 1, as interpolation and rounding make it."""


@dataclass(frozen=True)
class Masks:
    """The masks of a data set's tomograms, found but not read.

    Attributes
    ----------
    name
        How to find them again: a folder's absolute path, or what copick calls a segmentation.
    files
        In the folder, by run; ``None`` for segmentations.
    source
        The data set.
    """

    name: str
    files: Mapping[str, Path] | None
    source: Source

    def find(self, run: str) -> Volume:
        """Return the mask of a run's tomogram, not read yet.

        Raises
        ------
        InputError
            If there is none, or several, or it fills another space than the tomogram.
        """
        like = self.source.volume(run)
        stored = self._segmentation(run, like) if self.files is None else self._file(run, like)
        check_grid(stored, like)
        return stored

    def read(self, run: str) -> NDArray[np.bool_]:
        """Return which voxels of a run's tomogram lie inside its mask, ``(z, y, x)``.

        Raises
        ------
        InputError
            If the mask is none, is damaged, or holds nothing.
        """
        stored, like = self.find(run), self.source.volume(run)
        return to_grid(inside_of(stored), stored.voxel_size, like.shape, like.voxel_size)

    def check(self, runs: Iterable[str]) -> None:
        """Refuse tomograms that have no mask, or one that fills another space, before anything is read; see `find`."""
        for run in runs:
            self.find(run)

    def within(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return those rows (``experiment, x, y, z``, Å) that lie in the masks of their tomograms; see `read`."""
        keep = np.zeros(len(table), bool)
        for run in sorted(set(table["experiment"])):
            own = (table["experiment"] == run).to_numpy()
            position = table.loc[own, ["x", "y", "z"]].to_numpy()
            keep[own] = held_by(self.read(run), position, self.source.volume(run).voxel_size)
        return table[keep].reset_index(drop=True)

    def fingerprint(self, runs: Iterable[str]) -> str:
        """Return a hash of the masks of tomograms."""
        text = "".join(f"{run} {self.find(run).fingerprint()}\n" for run in sorted(runs))
        return hashlib.sha256(text.encode()).hexdigest()

    def _file(self, run: str, like: Volume) -> Volume:
        path = (self.files or {}).get(run)
        if path is None:
            raise InputError(f"{self.name}: expected a mask called as the tomogram {run}, but found none")
        if path.is_dir():
            return ome_zarr.find_mask(ome_zarr.open_store(path), str(path))
        return mrc.find_volume(path, usual=like.voxel_size)

    def _segmentation(self, run: str, like: Volume) -> Volume:
        found = self.source.segmentations(run, self.name)
        near = [volume for volume in found if abs(volume.voxel_size / like.voxel_size - 1) < NEAR]
        chosen = near or found
        if len(chosen) != 1:
            got = ", ".join(volume.source for volume in chosen) or "none"
            raise InputError(f"run {run}: expected one segmentation {self.name} as mask, but got {got}")
        return chosen[0]


def open_masks(name: str, source: Source) -> Masks:
    """Find the masks of a data set.

    Parameters
    ----------
    name
        A folder with a file for each tomogram, called as it: MRC or ``.zarr``. Or what copick calls a segmentation:
        ``NAME`` or ``NAME:USER/SESSION``.
    source
        The data set.

    Raises
    ------
    InputError
        If it is neither, or the folder holds two masks of one tomogram.
    """
    folder = Path(name)
    if not folder.is_dir():
        runs = source.names()
        if folder.exists() or not any(source.segmentations(run, name) for run in runs):
            raise InputError(
                "--mask: expected a folder with a mask (MRC or .zarr) for each tomogram, or a segmentation of a copick "
                f"project, but got {name!r}"
            )
        return Masks(name, None, source)
    files: dict[str, Path] = {}
    for path in [*find_files(folder), *sorted(folder.glob("[!.]*.zarr"))]:
        run = path.stem if path.suffix == ".zarr" else run_name(path.name)
        if files.setdefault(run, path) != path:
            raise InputError(f"{folder}: expected one mask a tomogram, but got {files[run].name} and {path.name}")
    return Masks(str(folder.resolve()), files, source)


def check_grid(stored: Volume, like: Volume) -> None:
    """Refuse a mask that fills another space than its tomogram: with equal voxels another shape, else another extent.

    Raises
    ------
    InputError
        Naming both shapes and voxel sizes.
    """
    sizes = np.array([stored.voxel_size, like.voxel_size])
    own, other = np.array(stored.shape), np.array(like.shape)
    same = abs(sizes[0] / sizes[1] - 1) < NEAR
    fits = np.array_equal(own, other) if same else np.all(np.abs(own * sizes[0] - other * sizes[1]) <= sizes.max())
    if not fits:
        raise InputError(
            f"{stored.source}: expected a mask that fills its tomogram, {like.shape} voxels of {sizes[1]:g} Å, but got "
            f"{stored.shape} voxels of {sizes[0]:g} Å"
        )


def inside_of(stored: Volume) -> NDArray[np.bool_]:
    """Return which voxels of a mask are inside.

    Whole numbers are inside where they are not 0 (labels; bytes of 255, which MRC reads as -1), or above -128 where
    that is the lowest of all and none is 0, as in IMOD's signed bytes. Others are inside from `SOFT` on; they may go
    beyond 0 and 1 by `OVERSHOOT`.

    Raises
    ------
    InputError
        If it holds fractions beyond 0 to 1, as a tomogram does, several values but no 0, or nothing is inside.
    """
    values = stored.read()
    low, high = float(values.min()), float(values.max())
    if all(np.array_equal(plane, np.rint(plane)) for plane in values):
        inside = values != 0
        if inside.all() and (low < high or low == LOWEST):
            if low != LOWEST:
                raise InputError(
                    f"{stored.source}: expected a mask with 0 outside, but got {low:g} to {high:g} without 0"
                )
            inside = values > LOWEST
    elif low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise InputError(
            f"{stored.source}: expected a mask, of whole numbers or from 0 to 1, but got {low:g} to {high:g}"
        )
    else:
        inside = values >= SOFT
    if not inside.any():
        raise InputError(f"{stored.source}: expected a mask that holds some voxel, but it is empty")
    return inside


def to_grid(
    inside: NDArray[np.bool_], voxel_size: float, shape: tuple[int, ...], new_voxel_size: float
) -> NDArray[np.bool_]:
    """Return a mask on another grid that begins at the same voxel centre: each voxel is as the nearest one.

    Parameters
    ----------
    inside
        ``(z, y, x)``.
    voxel_size, new_voxel_size
        Å.
    shape
        ``(z, y, x)`` of the result.
    """
    if inside.shape == tuple(shape):
        return inside
    ratio = new_voxel_size / voxel_size
    along = (
        np.minimum(np.rint(np.arange(n) * ratio).astype(np.int64), size - 1)
        for n, size in zip(shape, inside.shape, strict=True)
    )
    return inside[np.ix_(*along)]


def held_by(
    inside: NDArray[np.bool_],  # (z, y, x)
    position: ArrayLike,  # (n, 3) xyz, Å
    voxel_size: float,
) -> NDArray[np.bool_]:  # (n,)
    """Return which positions lie in a mask; of one outside the volume the voxel at its edge decides."""
    index = np.rint(to_index(position, voxel_size))
    z, y, x = np.clip(index, 0, np.array(inside.shape) - 1).astype(np.int64).T
    return inside[z, y, x]
