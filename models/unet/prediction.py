"""A trained U-Net on a whole tomogram."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from compute.faults import within_memory
from compute.host_memory import keep_freed_memory
from compute.precision import compute_dtype, finite
from models.outputs import ClassMaps, same_cut
from models.unet.network import ORIGIN, STRIDE, HalfResolutionUNet
from models.unet.settings import UNetSettings
from models.unet.sliding_window import predict_maps
from tomograms.tomogram import Tomogram

SMALLEST_WINDOW = 64
"""Voxels: the longest side of a window that is not halved any more where memory is short."""


def halved(window: Sequence[int]) -> tuple[int, ...] | None:
    """Return a window whose longest side is half as long; ``None`` where that would be too short."""
    longest = max(window)
    if longest <= SMALLEST_WINDOW:
        return None
    axis = list(window).index(longest)
    return (*window[:axis], -(-longest // 2), *window[axis + 1 :])


class UNetPredictor:
    """A trained U-Net. Once memory was too short for a window, it goes on with half of it."""

    def __init__(self, network: HalfResolutionUNet, settings: UNetSettings, classes: int, device: torch.device) -> None:
        self.network = network.to(device).eval()
        self.settings = settings
        self.views = settings.views
        self.window: tuple[int, ...] = settings.window
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
        return self.together([self], tomogram, views=views)[0]

    @staticmethod
    def together(
        models: Sequence[UNetPredictor],
        tomogram: Tomogram,
        *,
        views: int | None = None,
        advance: Callable[[str], None] = lambda note: None,
    ) -> list[ClassMaps]:
        """Return one output, the mean of the models' logits; see `models.member.Joint`.

        Raises
        ------
        InputError
            If they give anything but finite logits, or cut tomograms differently.
        """
        first = models[0]
        volume = np.asarray(tomogram.volume, np.float32)
        same_cut("unet", [(m.network.multiple, m.classes, m.settings.window, m.settings.overlap) for m in models])

        def attempt(window: tuple[int, ...]) -> NDArray[np.float16]:
            with torch.inference_mode():
                return predict_maps(
                    volume,
                    [model.logits for model in models],
                    classes=first.classes,
                    window=window,
                    overlap=first.settings.overlap,
                    stride=STRIDE,
                    multiple=first.network.multiple,
                    views=views or first.views,
                    device=first.device,
                    advance=advance,
                )

        logits, first.window = within_memory(
            attempt, first.window, lambda window: halved([min(pair) for pair in zip(window, volume.shape, strict=True)])
        )
        return [ClassMaps(logits, STRIDE, (ORIGIN, ORIGIN, ORIGIN))]

    def logits(self, crop: torch.Tensor) -> torch.Tensor:  # (1, 1, z, y, x) -> (1, class, z/2, y/2, x/2)
        """Return what the network makes of a window."""
        dtype = compute_dtype(self.device, self.settings.precision)
        return finite(lambda: self.network(crop), self.device, dtype)
