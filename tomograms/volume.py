"""A volume that has been found but not yet read, whatever the format of its files."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Volume(Protocol):
    """What every reader gives for a run's tomogram."""

    @property
    def source(self) -> str:
        """Where it lies, for messages."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Its shape ``(z, y, x)``, voxels."""

    @property
    def voxel_size(self) -> float:
        """Å per voxel, the same on each axis."""

    def read(self) -> NDArray[np.float32]:
        """Read the voxels, ``(z, y, x)``.

        Raises
        ------
        InputError
            If a part of it is missing or damaged, or a voxel is not finite.
        """

    def fingerprint(self) -> str:
        """Return a hash of every byte that it is read from."""
