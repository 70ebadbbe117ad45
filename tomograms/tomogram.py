"""A tomogram in memory, and the one normalisation that every member sees."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tomograms.errors import InputError

NEIGHBOURS = 6
"""Along each axis, that equal a voxel without data."""
COARSE = 0.02
"""Part of the voxels that hold the median itself, from which on grey levels are few: 20 levels within one deviation."""
QUARTILE = 0.6744897501960817
"""Standard deviations from a normal distribution's median to its quartiles."""
DARKEST = 7.0
"""Deviations below the median that the darkest percent of the voxels may lie at: simulated tomograms that are denoised
as the competition's are reach 6.5, and grey levels of images end at 7."""
RARE, MOST = 1e-3, 0.95
"""Part of the voxels from which on a level is one of the main ones, and that these hold together."""
ALIKE = 2e-3
"""Part of the range of grey levels: two that are nearer are one, rounded differently."""
FEW = 50
"""Voxels on one level, besides: fewer say nothing of a distribution."""
LEAST = 0.01
"""Part of a volume that a value without data fills at least; less does not move the statistics."""
PLAIN = 0.98
"""Part of a face from which on one value fills it."""

SCARCE = 10_000
"""Voxels of a sample; where a mask leaves fewer, all that lie in it are looked at."""


@dataclass(frozen=True)
class Tomogram:
    """A reconstructed volume.

    Attributes
    ----------
    name
        The run's name, the ``experiment`` of every table.
    volume
        ``(z, y, x)`` float32, dark particles.
    voxel_size
        Å per voxel, the same on each axis.
    mask
        ``(z, y, x)``: where particles are looked for, ``None`` for everywhere. Outside, the volume is 0.
    """

    name: str
    volume: NDArray[np.float32]
    voxel_size: float
    mask: NDArray[np.bool_] | None = None


def normalise(
    volume: NDArray[np.float32],
    *,
    mask: NDArray[np.bool_] | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the volume in robust units: median 0, scale 1.4826 x MAD, clipped to [-12, 6].

    Real tomograms have values around 1e-5 and gold or ice at many deviations; the median and the median absolute
    deviation ignore both. Where noise has been taken away, what is left of it is no unit: particles would lie beyond
    the limits, all equally dark. There the scale is the one that brings the darkest percent to `DARKEST`. The
    statistics are taken on a regular subsample of at most about a million voxels, and only on those that hold data (see
    `fill_values` and `plain_planes`): padding, masks, uncropped reconstructions and lost slices become 0.

    Parameters
    ----------
    volume
        ``(z, y, x)``.
    mask
        ``(z, y, x)``: voxels outside it hold no data either.
    out
        Where to write the result, possibly ``volume`` itself; by default a new array.

    Raises
    ------
    InputError
        If the volume is constant.
    """
    step = sampling_step(volume)
    sample = volume[::step, ::step, ::step]
    fills = fill_values(volume, step)
    blank = np.stack([constant(volume, z, fills) for z in range(len(volume))]) if fills.size else None
    for axis, plain in enumerate(plain_planes(volume, step)):
        if plain.any():
            blank = np.zeros(volume.shape, bool) if blank is None else blank
            np.moveaxis(blank, axis, 0)[plain] = True
    if mask is not None:
        blank = ~mask if blank is None else blank | ~mask
    filled = sample if blank is None else sample[~blank[::step, ::step, ::step]]
    if mask is not None and blank is not None and filled.size < SCARCE:
        filled = volume[~blank]
    median, scale = centre_and_scale(filled) if filled.size else (float(volume.flat[0]), 0.0)
    if scale > 0:
        scale = max(scale, (median - float(np.percentile(filled, 1))) / DARKEST)
    if not np.finfo(np.float32).tiny < scale < np.inf:  # the reciprocal is finite, too
        raise InputError(f"expected a volume with contrast, but got {median:g} nearly everywhere")
    out = np.empty(volume.shape, np.float32) if out is None else out
    for z, (source, target) in enumerate(zip(volume, out, strict=True)):  # a slice stays in the processor's cache
        with np.errstate(over="ignore"):  # what overflows is clipped
            np.subtract(source, np.float32(median), out=target)
            target *= np.float32(1 / scale)
        np.clip(target, -12.0, 6.0, out=target)
        if blank is not None:
            target[blank[z]] = 0.0
    return out


def sampling_step(volume: NDArray[np.float32]) -> int:
    """Return every how many voxels along each axis are looked at for statistics: at most about a million in all."""
    return max(1, int(np.ceil((volume.size / 1e6) ** (1 / 3))))


def centre_and_scale(sample: NDArray[np.float32]) -> tuple[float, float]:
    """Return median and 1.4826 x MAD of grey levels, to a fraction of a level where there are few of them.

    In data of 8 bit most voxels may hold a few levels; the median and the MAD are levels, too, and far off. There, the
    quartiles are read between the edges of levels, as if a normal distribution lay in each level.

    Parameters
    ----------
    sample
        ``(n,)`` or any other shape.
    """
    with np.errstate(over="ignore"):  # the mean of two
        median = float(np.median(sample))
    if np.isinf(median):
        median = float(np.median(sample.astype(np.float64)))
    if np.count_nonzero(sample == np.float32(median)) < max(COARSE * sample.size, FEW):
        with np.errstate(over="ignore"):
            return median, 1.4826 * float(np.median(np.abs(sample - np.float32(median))))
    levels, counts = _levels(sample)
    if len(levels) == 1:
        return median, 0.0
    half = float(np.diff(levels).min()) / 2
    upper = levels + half
    edge = np.column_stack([upper - 2 * half, upper]).ravel()  # of each level, the same twice between neighbours
    below = np.cumsum(counts) / sample.size
    share = np.column_stack([below - counts / sample.size, below]).ravel()
    deviation = ndtri(np.clip(share, 1e-4, 1 - 1e-4))
    low, centre, high = np.interp([-QUARTILE, 0.0, QUARTILE], deviation, edge)
    return float(centre), float((high - low) / (2 * QUARTILE))


def _levels(sample: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return grey levels and how many voxels are at each.

    Where some levels hold `MOST` of the voxels, the others are counted with the nearest of these: a few voxels between
    two levels, as where gold was erased, say nothing of how far apart levels are. Nor does rounding (`ALIKE`).
    """
    found, counts = np.unique(sample, return_counts=True)
    levels = found.astype(np.float64)  # sums and differences of float32 may lie beyond it
    main = levels[counts >= max(RARE * sample.size, 1)]
    if len(main) > 1 and counts[np.isin(levels, main)].sum() >= MOST * sample.size:
        low, high = np.percentile(sample.astype(np.float64), (1, 99))
        main = main[np.diff(main, prepend=-np.inf) > ALIKE * (high - low)]
        nearest = np.searchsorted((main[1:] + main[:-1]) / 2, levels)
        levels, counts = main, np.bincount(nearest, counts, len(main)).astype(np.int64)
    return levels, counts


def fill_values(volume: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return the values that stand where a tomogram holds no data; none of most tomograms.

    Such a value makes up constant regions of at least `LEAST` of the volume, some of which reach its faces, and half of
    its voxels lie there. Grey levels of 8 bit repeat, too, but seldom along a line in each direction; saturated gold
    does, in small regions inside. Of a value that fills a face, thin regions count, too.

    Parameters
    ----------
    volume
        ``(z, y, x)``.
    step
        Every how many voxels are looked at, along each axis.
    """
    sample = volume[::step, ::step, ::step]
    faces = [face for axis in range(3) for face in _faces(axis)]
    plain = [(volume[face], np.median(volume[face])) for face in faces]
    filling = np.unique([value for face, value in plain if (face == value).mean() >= PLAIN]).astype(np.float32)
    found = []
    for known in [None, filling][: 1 + bool(filling.size)]:
        blank = np.stack([constant(volume, z, known)[::step, ::step] for z in range(0, len(volume), step)])
        if blank.mean() >= LEAST:
            outer = np.concatenate([sample[face][blank[face]] for face in faces]) if known is None else known
            values, counts = np.unique(sample[blank], return_counts=True)
            for value in values[(counts >= LEAST * sample.size) & np.isin(values, outer)]:
                alike = sample == value
                if np.count_nonzero(blank & alike) >= 0.5 * np.count_nonzero(alike):
                    found.append(value)
    return np.unique(np.array(found, np.float32))


def plain_planes(volume: NDArray[np.float32], step: int) -> list[NDArray[np.bool_]]:
    """Return for each axis which planes across it hold one value alone: no data, wherever they lie in the volume.

    Parameters
    ----------
    volume
        ``(z, y, x)``.
    step
        Every how many voxels are looked at first, along each axis.
    """
    found = []
    for axis in range(3):
        planes = np.moveaxis(volume, axis, 0)
        some = planes[:, ::step, ::step]
        plain = (some == some[:, :1, :1]).all((1, 2)) & (planes[0].size > FEW)
        for index in np.flatnonzero(plain):
            plain[index] = (planes[index] == planes[index, 0, 0]).all()
        found.append(plain)
    return found


def constant(volume: NDArray[np.float32], z: int, values: NDArray[np.float32] | None = None) -> NDArray[np.bool_]:
    """Return, for one slice, which voxels equal their next `NEIGHBOURS` on one side at least, along each axis.

    Of known values, fewer are enough towards a face of the volume: padding may be thin.

    Parameters
    ----------
    volume
        ``(z, y, x)``.
    z
        Which slice.
    values
        Only voxels with one of these count.
    """
    piece = volume[z]
    found = np.zeros(piece.shape, bool)
    for direction in (1, -1):
        ahead = range(z + direction, z + direction * (NEIGHBOURS + 1), direction)
        there = [k for k in ahead if 0 <= k < len(volume)]
        if len(there) == NEIGHBOURS or values is not None:
            run = np.ones(piece.shape, bool)
            for k in there:
                if run.any():
                    run &= volume[k] == piece
            found |= run
    if values is not None:
        found &= np.isin(piece, values)
    if found.any():
        ends = 0 if values is None else NEIGHBOURS
        found &= _runs(piece, ends) & _runs(piece.T, ends).T
    return found


def _runs(piece: NDArray[np.float32], ends: int) -> NDArray[np.bool_]:
    """Return which values equal the next `NEIGHBOURS` before or after them along the last axis.

    ``ends`` is by how many values both ends are repeated beforehand.
    """
    piece = np.pad(piece, [(0, 0), (ends, ends)], mode="edge")
    out: NDArray[np.bool_] = np.zeros(piece.shape, bool)
    length = piece.shape[-1] - NEIGHBOURS
    if length > 0:
        same = piece[..., 1:] == piece[..., :-1]
        run = np.logical_and.reduce([same[..., i : i + length] for i in range(NEIGHBOURS)])
        out[..., :length] |= run
        out[..., NEIGHBOURS:] |= run
    return out[:, ends : out.shape[1] - ends]


def _faces(axis: int) -> Iterator[tuple[slice | int, ...]]:
    """Yield the indices of the two faces of a volume across an axis."""
    for index in (0, -1):
        yield tuple(index if a == axis else slice(None) for a in range(3))
