"""Maps of a whole tomogram: overlapping windows, blended back on the output grid."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from tomograms.errors import InputError

View = tuple[tuple[int, ...], bool]
"""Axes of (z, y, x) that are flipped, and whether the window is turned by 90 degrees about z afterwards."""

Network = Callable[[torch.Tensor], torch.Tensor]

VIEWS: tuple[View, ...] = (
    ((), False),
    ((0,), False),
    ((2,), False),
    ((1,), False),
    ((), True),
    ((0,), True),
    ((2,), True),
    ((1,), True),
)


def blend_weight(shape: Sequence[int]) -> NDArray[np.float32]:
    """Return the ``(z, y, x)`` weight of a window's map voxels: a product of cosine ramps, above 0 everywhere."""
    ramps = [np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 + 1e-3 for n in shape]
    return (ramps[0][:, None, None] * ramps[1][:, None] * ramps[2]).astype(np.float32)


def plan_windows(
    shape: Sequence[int], largest: Sequence[int], overlap: float, step: int
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Return the size of all windows, and the lowest corner of each.

    Along each axis there are as few windows as possible, and they are no larger than these few need, so that little is
    computed twice.

    Parameters
    ----------
    shape
        Of the volume, (z, y, x), multiples of ``step``.
    largest
        Largest window; it is rounded up to a multiple of ``step``.
    overlap
        Smallest share of a window that it has in common with the next, give or take ``step``.
    step
        Sizes and corners are multiples of it.
    """
    sizes, corners = [], []
    for length, most in zip(shape, largest, strict=True):
        most = min(-(-most // step) * step, length)
        count = max(1, int(np.ceil((length - overlap * most) / ((1 - overlap) * most))))
        size = int(np.ceil(length / (count - (count - 1) * overlap) / step)) * step
        sizes.append(size)
        corners.append([int(step * round(place / step)) for place in np.linspace(0, length - size, count)])
    return tuple(sizes), list(product(*corners))


def predict_maps(
    volume: NDArray[np.float32],  # (z, y, x)
    networks: Sequence[Network],
    *,
    channels: int,
    window: Sequence[int],
    overlap: float,
    stride: int,
    multiple: int,
    views: int,
    device: torch.device,
    vectors: bool = False,
    advance: Callable[[str], None] = lambda note: None,
) -> NDArray[np.float16]:  # (channel, z, y, x)
    """Return the blended logits of a tomogram, the mean over networks.

    The volume is cut, mirrored and blended where the networks live, once for all of them.

    Parameters
    ----------
    volume
        Normalised.
    networks
        One or more: ``(1, 1, z, y, x)`` -> logits ``(1, channels, z/stride, y/stride, x/stride)``.
    channels
        Of the logits.
    window
        Largest window, (z, y, x); see `plan_windows`.
    overlap
        Smallest share of a window that it has in common with the next.
    stride
        Of the output.
    multiple
        What every side of a window must be a multiple of, itself a multiple of ``stride``.
    views
        How many of `VIEWS` are averaged (as logits).
    device
        Where the networks live.
    vectors
        Whether the last three channels are the components (z, y, x) of a vector, which turns with the view.
    advance
        Told of each window that is done.

    Returns
    -------
    NDArray
        float16 logits of shape ``(channels, ceil(z/stride), ...)``.

    Raises
    ------
    InputError
        If a logit is not finite.
    """
    grown = [-(-n // multiple) * multiple for n in volume.shape]
    size, corners = plan_windows(grown, window, overlap, multiple)
    weight = torch.from_numpy(blend_weight([s // stride for s in size])).to(device)
    coarse = [n // stride for n in grown]
    total = torch.zeros((channels, *coarse), device=device)
    norm = torch.zeros(coarse, device=device)
    whole = torch.from_numpy(np.ascontiguousarray(volume)).to(device)
    for number, corner in enumerate(corners, 1):
        logits = _mean(_cut(whole, corner, size)[None, None], networks, views, vectors=vectors)
        place = tuple(slice(a // stride, (a + s) // stride) for a, s in zip(corner, size, strict=True))
        total[:, *place].addcmul_(logits[0], weight)
        norm[place] += weight
        advance(f"window {number} of {len(corners)}")
    total /= norm
    if not bool(torch.isfinite(total.sum())) and not bool(torch.isfinite(total).all()):  # large ones overflow a sum
        raise InputError("expected finite logits, but the network gives others: are its weights damaged?")
    keep = tuple(slice(0, -(-n // stride)) for n in volume.shape)
    return total[:, *keep].to(torch.float16).cpu().numpy()


def _mean(
    crop: torch.Tensor,  # (1, 1, z, y, x)
    networks: Sequence[Network],
    views: int,
    *,
    vectors: bool,
) -> torch.Tensor:  # (1, channel, z, y, x)
    """Return the mean logits of a window over views and networks."""
    mean: torch.Tensor | None = None
    for view in VIEWS[:views]:
        flips, turned = view
        axes = [axis + 2 for axis in flips]
        seen = crop.flip(axes) if axes else crop
        seen = seen.rot90(1, (3, 4)) if turned else seen
        seen = seen.contiguous(memory_format=torch.channels_last_3d)
        logits = networks[0](seen).float()
        for network in networks[1:]:
            logits.add_(network(seen))
        logits = logits.rot90(-1, (3, 4)) if turned else logits
        logits = logits.flip(axes) if axes else logits
        logits = _turned_back(logits, view) if vectors else logits
        mean = logits if mean is None else mean.add_(logits)
    assert mean is not None
    return mean.div_(views * len(networks)) if views * len(networks) > 1 else mean


def _turned_back(logits: torch.Tensor, view: View) -> torch.Tensor:  # (1, channel, z, y, x)
    """Return maps that lie as the window does, with the vectors of their last three channels as they lie, too."""
    flips, turned = view
    *scalars, z, y, x = logits.unbind(1)
    parts = [z, x, -y] if turned else [z, y, x]
    return torch.stack([*scalars, *(-part if axis in flips else part for axis, part in enumerate(parts))], 1)


def _cut(volume: torch.Tensor, corner: Sequence[int], size: Sequence[int]) -> torch.Tensor:
    """Return a window ``(z, y, x)``; beyond the volume's far ends lies its mirror image."""
    for axis, (start, length) in enumerate(zip(corner, size, strict=True)):
        end = volume.shape[axis]
        inside = volume.narrow(axis, start, min(length, end - start))
        if start + length > end:
            index = torch.arange(end, start + length, device=volume.device) % (2 * end)
            mirrored = volume.index_select(axis, torch.minimum(index, 2 * end - 1 - index))
            inside = torch.cat([inside, mirrored], axis)
        volume = inside
    return volume
