"""A trained U-Net on a whole tomogram."""

import numpy as np
import torch

from compute.host_memory import keep_freed_memory
from compute.precision import compute_dtype
from models.outputs import ClassMaps
from models.unet.network import ORIGIN, STRIDE, HalfResolutionUNet
from models.unet.settings import UNetSettings
from models.unet.sliding_window import predict_maps
from models.unet.wide_range import finite
from tomograms.tomogram import Tomogram


class UNetPredictor:
    """A trained U-Net."""

    def __init__(self, network: HalfResolutionUNet, settings: UNetSettings, classes: int, device: torch.device) -> None:
        self.network = network.to(device).eval()
        self.settings = settings
        self.views = settings.views
        self.classes = classes
        self.device = device
        if device.type == "cpu":
            keep_freed_memory()

    def predict(self, tomogram: Tomogram, *, views: int | None = None) -> ClassMaps:
        """Return the class logits of a normalised tomogram at half its resolution.

        Raises
        ------
        InputError
            If the network gives anything but finite logits.
        """
        settings = self.settings
        dtype = compute_dtype(self.device, settings.precision)
        with torch.inference_mode():
            logits = predict_maps(
                np.asarray(tomogram.volume, np.float32),
                lambda crop: finite(lambda: self.network(crop), self.device, dtype),
                classes=self.classes,
                window=settings.window,
                overlap=settings.overlap,
                stride=STRIDE,
                multiple=self.network.multiple,
                views=views or self.views,
                device=self.device,
            )
        return ClassMaps(logits, STRIDE, (ORIGIN, ORIGIN, ORIGIN))
