"""What those who train and apply a network of volumes must know of it. No torch here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.outputs import Maps


@dataclass(frozen=True)
class Architecture:
    """A network ``(batch, 1, z, y, x)`` -> ``(batch, channel, z/stride, y/stride, x/stride)``.

    Attributes
    ----------
    name
        Of the member.
    identity
        The settings that weights belong to.
    stride, origin
        Of its maps: index ``i`` lies at tomogram index ``origin + i * stride``.
    background
        Whether channel 0 is the background; the species follow.
    vectors
        Whether three more channels are the way to a particle's centre, (z, y, x) in map voxels.
    output
        What the maps are.
    build
        Makes an untrained network from settings and the number of species. Every side of what it sees must be a
        multiple of its attribute ``multiple``.
    is_encoder
        Says of a parameter, by its name, whether it lies on the way down.
    class_axes
        Gives the axes of a tensor, by its name, that run over the classes.
    """

    name: str
    identity: tuple[str, ...]
    stride: int
    origin: float
    background: bool
    vectors: bool
    output: type[Maps]
    build: Callable[[Any, int], Any]
    is_encoder: Callable[[str], bool]
    class_axes: Callable[[str], Sequence[int]]

    def channels(self, species: int) -> int:
        """Return how many channels its maps have for so many species."""
        return int(self.background) + species + 3 * int(self.vectors)
