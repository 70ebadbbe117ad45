"""The 3D U-Net: a stride-2 stem before MONAI's UNet, so that class maps come out at half resolution.

At 10 Å per voxel the half-resolution map still has three voxels across the radius of the smallest species, and a voxel
of the tomogram costs a fifth of what it costs at full resolution.

MONAI's UNet ends with a transposed convolution whose few class channels are normalised over the window, so that logits
depend on how many particles the window holds: crops and tomograms then disagree. A plain convolution replaces it.
"""

import re
from collections.abc import Sequence

import torch
from monai.networks.nets import UNet
from torch import nn
from torch.nn import functional

from models.architecture import Architecture
from models.instance_norm import keep_channels_last
from models.outputs import ClassMaps
from models.unet.prelu import quicken
from models.unet.settings import IDENTITY, STRIDE, UNetSettings
from models.unet.wide_range import widen

ORIGIN = 0.5
"""Tomogram index of the centre of map voxel 0: the stem's kernel of four is centred between two voxels."""
SILENT = 8
"""Channels of zeros that the last convolution sees besides its own on a GPU. For the gradient of its kernel with 64
channels cuDNN 9.19 takes 55 ms in bf16 and 6 in fp16, with 72 it takes 2 in both (four crops of the preset ``full``,
H200, forward and back)."""


class ClassHead(nn.Conv3d):
    """``(batch, features, z, y, x)`` -> logits of the classes, ``enlarge`` times as large along each axis."""

    def __init__(self, features: int, classes: int, *, enlarge: int) -> None:
        super().__init__(features, classes, kernel_size=3, padding=1)
        self.enlarge = enlarge

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        if self.enlarge > 1:
            features = functional.interpolate(features, scale_factor=float(self.enlarge))
        if features.device.type != "cuda":
            return super().forward(features)
        return functional.conv3d(silent(features), silent(self.weight), self.bias, padding=self.padding)


def silent(values: torch.Tensor) -> torch.Tensor:  # (n, channel, z, y, x)
    """Return the values with `SILENT` more channels, which are 0."""
    return functional.pad(values, (0, 0, 0, 0, 0, 0, 0, SILENT))


class HalfResolutionUNet(nn.Module):
    """``(batch, 1, z, y, x)`` -> logits ``(batch, classes, z/2, y/2, x/2)``; sizes must be multiples of `multiple`.

    Parameters
    ----------
    classes
        Output channels, background included.
    stem
        Channels of the stem.
    channels, strides, residual_units, norm
        Of MONAI's UNet, which runs at half resolution.
    """

    def __init__(
        self,
        classes: int,
        *,
        stem: int,
        channels: Sequence[int],
        strides: Sequence[int],
        residual_units: int,
        norm: str,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(1, stem, kernel_size=4, stride=STRIDE, padding=1),
            nn.InstanceNorm3d(stem, affine=True),
            nn.PReLU(),
        )
        self.body = UNet(
            spatial_dims=3,
            in_channels=stem,
            out_channels=classes,
            channels=tuple(channels),
            strides=tuple(strides),
            num_res_units=residual_units,
            norm=norm,
        )
        below = channels[0] if len(channels) > 2 else channels[1]
        self.body.model[2] = ClassHead(channels[0] + below, classes, enlarge=strides[0])
        if len(channels) > 2:  # from the third level on, values outgrow fp16
            widen(self.body.model[1].submodule[1].submodule)
        self.multiple = STRIDE
        for stride in strides:
            self.multiple *= stride

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Return the class logits."""
        return self.body(self.stem(volume))


def is_encoder(name: str) -> bool:
    """Return whether a parameter, by its name, lies on the way down (the deepest level included)."""
    return re.match(r"body\.model\.(1\.submodule\.)*2\.", name) is None


def class_axes(name: str) -> tuple[int, ...]:
    """Return the axes of a tensor, by its name, that run over the classes."""
    return (0,) if name.startswith("body.model.2.") else ()


def build_network(settings: UNetSettings, classes: int) -> HalfResolutionUNet:
    """Return the untrained network."""
    network = HalfResolutionUNet(
        classes,
        stem=settings.stem,
        channels=settings.channels,
        strides=settings.strides,
        residual_units=settings.residual_units,
        norm=settings.norm,
    )
    return quicken(keep_channels_last(network)).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


UNET = Architecture(
    name="unet",
    identity=IDENTITY,
    stride=STRIDE,
    origin=ORIGIN,
    background=True,
    vectors=False,
    output=ClassMaps,
    build=lambda settings, species: build_network(settings, 1 + species),
    is_encoder=is_encoder,
    class_axes=class_axes,
)
