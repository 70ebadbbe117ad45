"""What a U-Net training starts from."""

import warnings
from pathlib import Path

from models.initial import PRETRAINED, find_initial
from models.unet.settings import UNetSettings, settings_from_json
from models.weights import read_card

NETWORK = ("stem", "channels", "strides", "residual_units", "norm")
"""The settings that weights belong to."""


def initial_weights(settings: UNetSettings) -> Path | None:
    """Return the weights to start from; the shipped ones only where they are of this network."""
    path = find_initial("unet", settings.init)
    if settings.init != PRETRAINED:
        return path
    if path is not None:
        shipped = settings_from_json(read_card(path)["settings"])
        if all(getattr(shipped, name) == getattr(settings, name) for name in NETWORK):
            return path
    warnings.warn("unet: no shipped weights are of this network, so it starts from scratch", stacklevel=2)
    return None
