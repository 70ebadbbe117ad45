"""What a member's network predicts for one tomogram: plain arrays, no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomograms.errors import InputError


@dataclass(frozen=True)
class Maps:
    """What a network of volumes predicts on a (possibly coarser) grid; its subclasses say what the channels are.

    Attributes
    ----------
    logits
        ``(channel, z, y, x)`` float16.
    stride
        Tomogram voxels per map voxel, the same on each axis.
    origin
        Tomogram index (z, y, x), possibly fractional, of the centre of map voxel (0, 0, 0): map index ``i`` lies at
        tomogram index ``origin + i * stride``.
    """

    logits: NDArray[np.float16]
    stride: int
    origin: tuple[float, float, float]


class ClassMaps(Maps):
    """Class logits: channel 0 is background, the others follow `Particle.label`.

    Softmax over the channels gives probabilities.
    """


class PointMaps(Maps):
    """Log-odds of every species, in the order of `Particle.label`, and then the way to the centre.

    The way is three channels, (z, y, x) in map voxels: from the map voxel to the centre of the particle that it lies
    in. It means something only where a species is likely.
    """

    @property
    def offsets(self) -> NDArray[np.float16]:  # (3, z, y, x)
        """The ways."""
        return self.logits[-3:]


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
