"""The detector: MONAI's SegResNet encoder, and a head that says at a quarter of the resolution what lies where.

Each voxel of the map gives, for each species, how likely it lies in the middle of such a particle, and where that
particle's centre is from there. So the map may be coarse, and the decoder ends below the encoder's first level.
"""

from itertools import pairwise

import torch
from monai.networks.nets.segresnet_ds import SegResBlock, SegResEncoder
from monai.networks.utils import pixelunshuffle
from torch import nn
from torch.nn import functional

from models.architecture import Architecture
from models.detector.settings import IDENTITY, STRIDE, DetectorSettings
from models.instance_norm import keep_channels_last
from models.outputs import PointMaps

ORIGIN = 1.5
"""Tomogram index of the centre of map voxel 0: the middle of its 4 x 4 x 4 voxels, whichever way they are flipped."""
FOLDED = 2
"""Voxels along each axis that become channels of the encoder's input."""
DIMENSIONS = 3
RARE = -4.0
"""Log-odds of every species before anything is learned."""
NORM = ("instance", {"affine": True})


class Detector(nn.Module):
    """``(batch, 1, z, y, x)`` -> ``(batch, species + 3, z/4, y/4, x/4)``: log-odds, then the way to the centre.

    The way is (z, y, x) in map voxels. Sizes must be multiples of `multiple`.

    Parameters
    ----------
    species
        How many.
    filters, blocks
        Of MONAI's encoder, which runs at half resolution: channels of its first level, which double from level to
        level, and residual blocks of each.
    """

    def __init__(self, species: int, *, filters: int, blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder = SegResEncoder(
            spatial_dims=DIMENSIONS,
            init_filters=filters,
            in_channels=FOLDED**DIMENSIONS,
            norm=NORM,
            blocks_down=blocks,
        )
        levels = [filters * 2**level for level in range(1, len(blocks))]
        self.across = nn.ModuleList(nn.Conv3d(deep, fine, kernel_size=1) for fine, deep in pairwise(levels))
        self.up = nn.ModuleList(SegResBlock(DIMENSIONS, width, norm=NORM) for width in levels[:-1])
        self.norm = nn.InstanceNorm3d(levels[0], affine=True)
        self.heat = nn.Conv3d(levels[0], species, kernel_size=1)
        self.offset = nn.Conv3d(levels[0], DIMENSIONS, kernel_size=1)
        self.multiple = FOLDED ** len(blocks)
        nn.init.constant_(self.heat.bias, RARE)  # type: ignore[arg-type]

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Return log-odds and offsets."""
        cells = pixelunshuffle(volume, DIMENSIONS, FOLDED)
        _, *levels = self.encoder(cells.contiguous(memory_format=torch.channels_last_3d))
        features = levels.pop()
        for fine, across, up in zip(reversed(levels), reversed(self.across), reversed(self.up), strict=True):
            features = up(fine + functional.interpolate(across(features), scale_factor=2.0))
        features = functional.relu(self.norm(features))
        return torch.cat([self.heat(features), self.offset(features)], 1)


def is_encoder(name: str) -> bool:
    """Return whether a parameter, by its name, lies on the way down (the deepest level included)."""
    return name.startswith("encoder.")


def class_axes(name: str) -> tuple[int, ...]:
    """Return the axes of a tensor, by its name, that run over the species."""
    return (0,) if name.startswith("heat.") else ()


def build_network(settings: DetectorSettings, species: int) -> Detector:
    """Return the untrained network."""
    network = Detector(species, filters=settings.filters, blocks=settings.blocks)
    return keep_channels_last(network).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


DETECTOR = Architecture(
    name="detector",
    identity=IDENTITY,
    stride=STRIDE,
    origin=ORIGIN,
    background=False,
    vectors=True,
    output=PointMaps,
    build=build_network,
    is_encoder=is_encoder,
    class_axes=class_axes,
)
