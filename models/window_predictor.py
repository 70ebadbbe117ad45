"""A trained network of volumes on a whole tomogram."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compute.faults import within_memory
from compute.host_memory import keep_freed_memory
from compute.precision import compute_dtype, finite
from models.architecture import Architecture
from models.outputs import Maps, same_cut
from models.sliding_window import predict_maps
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


class WindowPredictor:
    """A trained network that sees windows of a tomogram. Once memory was too short for one, it goes on with half of it.

    Parameters
    ----------
    architecture
        The network's.
    network
        With the attribute ``multiple``.
    settings
        Of its member: ``window, overlap, views, precision``.
    species
        How many it knows.
    device
        Where it computes.
    """

    def __init__(
        self, architecture: Architecture, network: Any, settings: Any, species: int, device: torch.device
    ) -> None:
        self.architecture = architecture
        self.network = network.to(device).eval()
        self.settings = settings
        self.views: int = settings.views
        self.window: tuple[int, ...] = settings.window
        self.channels = architecture.channels(species)
        self.device = device
        if device.type == "cpu":
            keep_freed_memory()

    def predict(self, tomogram: Tomogram, *, views: int | None = None) -> Maps:
        """Return the maps of a normalised tomogram.

        Raises
        ------
        InputError
            If the network gives anything but finite logits.
        """
        return self.together([self], tomogram, views=views)[0]

    @staticmethod
    def together(
        models: Sequence[WindowPredictor],
        tomogram: Tomogram,
        *,
        views: int | None = None,
        advance: Callable[[str], None] = lambda note: None,
    ) -> list[Maps]:
        """Return one output, the mean of the models' logits; see `models.member.Joint`.

        Raises
        ------
        InputError
            If they give anything but finite logits, or cut tomograms differently.
        """
        first = models[0]
        architecture = first.architecture
        volume = np.asarray(tomogram.volume, np.float32)
        same_cut(
            architecture.name,
            [(m.network.multiple, m.channels, m.settings.window, m.settings.overlap) for m in models],
        )

        def attempt(window: tuple[int, ...]) -> NDArray[np.float16]:
            with torch.inference_mode():
                return predict_maps(
                    volume,
                    [model.logits for model in models],
                    channels=first.channels,
                    window=window,
                    overlap=first.settings.overlap,
                    stride=architecture.stride,
                    multiple=first.network.multiple,
                    views=views or first.views,
                    device=first.device,
                    vectors=architecture.vectors,
                    advance=advance,
                )

        logits, first.window = within_memory(
            attempt, first.window, lambda window: halved([min(pair) for pair in zip(window, volume.shape, strict=True)])
        )
        origin = architecture.origin
        return [architecture.output(logits, architecture.stride, (origin, origin, origin))]

    def logits(self, crop: torch.Tensor) -> torch.Tensor:  # (1, 1, z, y, x) -> (1, channel, z/stride, ...)
        """Return what the network makes of a window."""
        dtype = compute_dtype(self.device, self.settings.precision)
        return finite(lambda: self.network(crop), self.device, dtype)
