"""What a member's network predicts for one tomogram: plain arrays, no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomograms.errors import InputError


@dataclass(frozen=True)
class ClassMaps:
    """Class logits on a (possibly coarser) grid.

    Attributes
    ----------
    logits
        ``(class, z, y, x)`` float16; class 0 is background, the others follow `Particle.label`. Softmax over the first
        axis gives probabilities.
    stride
        Tomogram voxels per map voxel, the same on each axis.
    origin
        Tomogram index (z, y, x), possibly fractional, of the centre of map voxel (0, 0, 0): map index ``i`` lies at
        tomogram index ``origin + i * stride``.
    """

    logits: NDArray[np.float16]
    stride: int
    origin: tuple[float, float, float]


@dataclass(frozen=True)
class SliceBoxes:
    """Boxes found in the 2D slices of one tomogram, n boxes in all.

    Attributes
    ----------
    axis
        The array axis (0: z, 1: y, 2: x) along which the volume was sliced.
    slice_index
        ``(n,)`` tomogram index of the box's slice along ``axis`` (the middle of a thick slice), float32.
    thickness
        Tomogram voxels that one slice averages.
    step
        Tomogram voxels between neighbouring slices.
    xyxy
        ``(n, 4)`` float32, in tomogram voxel indices (pixel centres at integers): the box's lower column, lower row,
        upper column, upper row; rows and columns are the two other axes in array order.
    confidence
        ``(n,)`` float32 in [0, 1].
    label
        ``(n,)`` int16, `Particle.label`.
    """

    axis: int
    slice_index: NDArray[np.float32]
    thickness: int
    step: int
    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    label: NDArray[np.int16]


def same_cut(member: str, cuts: Sequence[tuple[Any, ...]]) -> None:
    """Refuse models that cannot share what is cut from a tomogram; ``cuts`` says how each would.

    Raises
    ------
    InputError
        If they differ.
    """
    for other in cuts:
        if other != cuts[0]:
            raise InputError(
                f"{member}: expected all fold models to cut tomograms by {cuts[0]}, but got {other}; "
                "were they trained with different settings?"
            )
