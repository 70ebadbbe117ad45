"""The peaks of class maps on a device: the same steps as in `postproc.peaks`, in torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import max_pool3d

from models.outputs import ClassMaps
from postproc.peaks import FLOOR, SMOOTHING, TRUNCATE, Peaks, box_side, refine


def device_peaks(
    maps: ClassMaps, labels: Sequence[int], radii: Sequence[float], device: torch.device
) -> Iterator[Peaks]:
    """Yield the peaks of each species' map; see `postproc.peaks.find_peaks`.

    Parameters
    ----------
    maps
        Of one tomogram.
    labels, radii
        The species' channels, and their radii in map voxels.
    device
        Where all but the peaks' refinement is computed.
    """
    logits = torch.from_numpy(maps.logits).to(device)
    normaliser = torch.stack([plane.float().logsumexp(0) for plane in logits.unbind(1)])
    for label, radius in zip(labels, radii, strict=True):
        smooth = gaussian((logits[label].float() - normaliser).exp_(), SMOOTHING * radius)
        peak = (smooth >= FLOOR) & (smooth == maximum(smooth, box_side(radius)))

        def look(index: NDArray[np.int64], smooth: torch.Tensor = smooth) -> NDArray[np.float32]:
            return smooth[tuple(torch.from_numpy(index.T.copy()).to(device))].cpu().numpy()

        yield refine(peak.nonzero().cpu().numpy(), look, maps.logits.shape[1:], radius)


def gaussian(values: torch.Tensor, sigma: float) -> torch.Tensor:  # (z, y, x) float32 -> the same
    """Return the values smoothed as by `scipy.ndimage.gaussian_filter`: sums in float64, 0 beyond the edges."""
    reach = int(TRUNCATE * sigma + 0.5)
    weight = np.exp(-0.5 / sigma**2 * np.arange(reach + 1) ** 2)
    weight /= weight[0] + 2 * weight[1:].sum()
    for axis in range(3):
        line = values.double()
        total = line * weight[0]
        for k in range(reach, 0, -1):
            if k < line.shape[axis]:
                length = line.shape[axis] - k
                near, far = line.narrow(axis, 0, length), line.narrow(axis, k, length)
                total.narrow(axis, 0, length).add_(far, alpha=weight[k])
                total.narrow(axis, k, length).add_(near, alpha=weight[k])
        values = total.float()
    return values


def maximum(values: torch.Tensor, size: int) -> torch.Tensor:  # (z, y, x) -> the same
    """Return the largest value within the cube of odd side ``size`` around each voxel, without what lies beyond."""
    out = values[None]
    for axis in range(3):
        window, margin = [1, 1, 1], [0, 0, 0]
        window[axis], margin[axis] = size, size // 2
        out = max_pool3d(out, window, stride=1, padding=margin)
    return out[0]
