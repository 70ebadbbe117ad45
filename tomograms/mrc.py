"""MRC volumes: voxel size and shape from the header, voxels slice by slice, and a check of every value.

The header's origin and start are not looked at: the centre of the first voxel lies at 0 Å, as everywhere.
"""

import bz2
import gzip
import hashlib
import math
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import mrcfile
import numpy as np
from numpy.typing import NDArray

from tomograms.errors import InputError
from tomograms.picks import NEAR

MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
"""Types of voxels by the header's mode; complex and packed ones are no tomogram's. Integers may lack a sign."""
AXES = ("mapc", "mapr", "maps")
STACKS = range(401, 631)
"""Space groups of a stack of volumes."""
UNSET = 1.0
"""Å; the voxel size that many programs write where they know of none."""
IMOD, SIGNED = 1146047817, 1
"""IMOD's stamp, and the flag without which the bytes of its files go from 0 to 255."""
DAMAGED = (ValueError, OSError, EOFError, MemoryError, zlib.error)
"""What a file that is no MRC file, or is cut off, makes its readers raise."""


@dataclass(frozen=True)
class MrcVolume:
    """A `tomograms.volume.Volume` in an MRC file.

    Attributes
    ----------
    path
        The file.
    packed
        ``gzip``, ``bzip2`` or empty.
    start
        Where its voxels begin, in bytes of the unpacked file.
    dtype
        Of its voxels, in the file's byte order.
    shape
        ``(z, y, x)``.
    voxel_size
        Å.
    """

    path: Path
    packed: str
    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]
    voxel_size: float

    @property
    def source(self) -> str:
        """The file, for messages."""
        return str(self.path)

    def read(self) -> NDArray[np.float32]:
        """Read the voxels, ``(z, y, x)``.

        Raises
        ------
        InputError
            If the file is cut off or damaged, goes on behind its last slice, or a voxel is not finite. Less than a
            slice of zeros at the end is padding.
        """
        try:
            volume = np.empty(self.shape, np.float32)
            with _unpacked(self.path, self.packed) as file:
                file.seek(self.start)
                for z, part in enumerate(volume):
                    content = file.read(part.size * self.dtype.itemsize)
                    if len(content) < part.size * self.dtype.itemsize:
                        raise EOFError(f"it ends in slice {z} of {len(volume)}")
                    part[...] = np.frombuffer(content, self.dtype).reshape(part.shape)
                    if not np.isfinite(part).all():
                        raise InputError(f"{self.path}: expected finite voxels, but slice {z} has NaN or infinity")
                rest = file.read(volume[0].size * self.dtype.itemsize)  # at the end gzip compares its checksum
                if rest.strip(b"\0") or len(rest) == volume[0].size * self.dtype.itemsize:
                    raise EOFError(f"it goes on after the {len(volume)} slices that its header tells")
        except InputError:
            raise
        except DAMAGED as error:
            raise _unreadable(self.path, error) from None
        return volume

    def fingerprint(self) -> str:
        """Return a hash of the file's bytes and of the voxel size, which need not be the header's."""
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        digest.update(repr(self.voxel_size).encode())
        return digest.hexdigest()


def find_volume(path: Path, stated: float | None = None, *, usual: float | None = None) -> MrcVolume:
    """Read a volume's header.

    Parameters
    ----------
    path
        The file, also packed by gzip.
    stated
        The voxel size in Å that it is said to have; the header's own is taken where it agrees within 1 %.
    usual
        The one that it has where the header has none, or exactly 1 Å.

    Raises
    ------
    InputError
        If the file is missing, no MRC file or cut off, has a mode without real numbers, other axes than x, y, z or more
        or less than one 3D volume, or if its voxels are not cubic within 0.1 %, of no known size, or of another size
        than stated.
    """
    try:
        header, packed = _read_header(path)
        length = path.stat().st_size
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except DAMAGED as error:
        raise _unreadable(path, error) from None
    mode, axes = int(header.mode), [int(header[name]) for name in AXES]
    if mode not in MODES:
        raise InputError(f"{path}: expected an MRC mode of {', '.join(map(str, MODES))}, but got {mode}")
    if axes != [1, 2, 3]:
        raise InputError(f"{path}: expected columns, rows and sections along the axes 1, 2, 3, but got {axes}")
    shape = (int(header.nz), int(header.ny), int(header.nx))
    if min(shape) < 1 or shape[0] == 1:
        raise InputError(f"{path}: expected a 3D volume (z, y, x), but got the shape {shape}")
    if int(header.ispg) in STACKS and header.mz != header.nz:
        raise InputError(f"{path}: expected one volume, but got a stack of volumes of {header.mz} sections each")
    dtype = np.dtype(MODES[mode]).newbyteorder(header.mode.dtype.byteorder)
    start = header.nbytes + int(header.nsymbt)
    wanted = start + math.prod(shape) * dtype.itemsize
    if not packed and length < wanted:
        raise InputError(f"{path}: expected {wanted} bytes for the shape {shape}, but the file ends after {length}")
    volume = MrcVolume(path, packed, start, dtype, shape, _voxel_size(path, header, stated, usual))
    signed = _told_sign(header, dtype)
    if signed is None:
        signed = mode != 0 or not _wraps(volume)
    return volume if signed else replace(volume, dtype=np.dtype(dtype.str.replace("i", "u")))


def _read_header(path: Path) -> tuple[Any, str]:
    """Return a file's header, and how the file is packed.

    Some programs leave out the name of the format, or have a machine stamp of their own. Such a file is one, too, if
    its mode, axes and extended header are possible ones.
    """

    def read(permissive: bool) -> tuple[Any, str, bool]:
        with warnings.catch_warnings(action="ignore"), mrcfile.open(path, "r", permissive, header_only=True) as file:
            packed = {"GzipMrcFile": "gzip", "Bzip2MrcFile": "bzip2"}.get(type(file).__name__, "")
            return file.header.copy(), packed, file.extended_header is not None

    try:
        header, packed, complete = read(permissive=False)
    except ValueError:
        header, packed, complete = read(permissive=True)
        known = int(header.mode) in MODES and sorted(int(header[name]) for name in AXES) == [1, 2, 3]
        if not (known and complete and header.nsymbt >= 0):
            raise
    return header, packed


def _voxel_size(path: Path, header: Any, stated: float | None, usual: float | None) -> float:
    """Return the header's voxel size, Å, or the stated or usual one where the header says nothing."""
    if stated is not None and not 0 < stated < math.inf:
        raise InputError(f"--voxel-spacing: expected a voxel size above 0 Å, but got {stated:g}")
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.array([header.cella[axis] for axis in "xyz"], np.float64) / [header.mx, header.my, header.mz]
    told = ", ".join(f"{value:g}" for value in size)
    unset = not header.mx * header.my * header.mz or not size.any()
    if unset or np.all(size == UNSET):
        told_of = stated or usual
        if told_of is None:
            has = "has none" if unset else f"says exactly {UNSET:g} Å, as many programs do that know of none"
            raise InputError(f"{path}: expected a voxel size above 0 Å, but the header {has}; give --voxel-spacing")
        return told_of
    if not (np.isfinite(size).all() and size.min() > 0 and size.max() <= size.min() * 1.001):
        raise InputError(f"{path}: expected cubic voxels above 0 Å, but got {told} Å (x, y, z)")
    own = float(size.mean())
    if stated is None:
        return own
    if abs(own / stated - 1) > NEAR:
        raise InputError(
            f"{path}: expected the voxel size of --voxel-spacing, {stated:g} Å within 1 %, but its header says "
            f"{own:g} Å"
        )
    return own


def _told_sign(header: Any, dtype: np.dtype[Any]) -> bool | None:
    """Return whether a header says that integers are signed: by IMOD's flags for bytes, or its minimum and maximum."""
    if dtype.kind != "i":
        return True
    stamp, flags = np.frombuffer(header.tobytes()[152:160], np.dtype("i4").newbyteorder(header.mode.dtype.byteorder))
    if dtype.itemsize == 1 and stamp == IMOD:
        return bool(flags & SIGNED)
    low, high, limit = float(header.dmin), float(header.dmax), np.iinfo(dtype).max
    if not -limit - 1 <= low < high <= 2 * limit + 1:
        return None  # unknown, or of data that these were made from
    return high <= limit


def _wraps(volume: MrcVolume) -> bool:
    """Return whether neighbours in the middle slice of bytes, if signed, differ twice as much as without a sign."""
    size = math.prod(volume.shape[1:])
    try:
        with _unpacked(volume.path, volume.packed) as file:
            file.seek(volume.start + volume.shape[0] // 2 * size)
            row = np.frombuffer(file.read(size), "u1")
    except DAMAGED as error:
        raise _unreadable(volume.path, error) from None
    signed, unsigned = (np.abs(np.diff(row.view(kind).astype(np.int64))).sum() for kind in ("i1", "u1"))
    return bool(signed > 2 * unsigned)


def _unpacked(path: Path, packed: str) -> BinaryIO | gzip.GzipFile | bz2.BZ2File:
    """Return a file that is open at its first byte, unpacked."""
    if packed == "gzip":
        return gzip.open(path, "rb")
    return bz2.open(path, "rb") if packed else path.open("rb")


def _unreadable(path: Path, error: Exception) -> InputError:
    """Return the complaint about a file that cannot be read."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{path}: expected an intact MRC file, but it cannot be read ({reason})")
