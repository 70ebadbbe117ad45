"""The state of a network in training: weights, their moving average, optimiser, scaler and step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.training.checkpoint import load_checkpoint, save_checkpoint
from models.training.schedule import follow, learning_rate
from models.weights import save_weights


class Scaler(torch.amp.GradScaler):
    """A scaler that starts anew from the state of one that was not needed: bf16 on one GPU, fp16 on the next."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go back to a saved state."""
        if state_dict:
            super().load_state_dict(state_dict)


class NetworkState:
    """A network that takes steps down a loss, and can be put away and taken up again.

    Parameters
    ----------
    network, average
        Of one kind and on one device; the average starts from the network's weights and follows them.
    optimiser
        With one group for each of ``peaks``.
    peaks
        Highest learning rate of each group.
    warmup
        Share of the training over which the rate rises.
    decay
        Of the average.
    clip
        Largest norm of all gradients together.
    dtype
        Number format of the network's arithmetic; fp16 needs its losses scaled.
    """

    def __init__(
        self,
        network: Any,
        average: Any,
        optimiser: torch.optim.Optimizer,
        *,
        peaks: Sequence[float],
        warmup: float,
        decay: float,
        clip: float,
        dtype: torch.dtype,
    ) -> None:
        average.load_state_dict(network.state_dict())
        self.network, self.average, self.optimiser = network, average, optimiser
        self.peaks, self.warmup, self.decay, self.clip, self.dtype = peaks, warmup, decay, clip, dtype
        self.device = next(network.parameters()).device
        self.scaler = Scaler(self.device.type, enabled=dtype == torch.float16)
        self.step = 0
        self._parts = {"network": network, "average": average, "optimiser": optimiser, "scaler": self.scaler}

    def descend(self, loss: torch.Tensor, *, done: float) -> None:
        """Take one step down the loss, after which a share ``done`` of the training is done."""
        for group, peak in zip(self.optimiser.param_groups, self.peaks, strict=True):
            group["lr"] = learning_rate(done, peak=peak, warmup=self.warmup)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        follow(self.average, self.network, decay=self.decay, step=self.step)

    def save(self, path: Path, progress: Mapping[str, Any]) -> None:
        """Write everything that a later process needs to go on as if nothing had happened, ``progress`` included."""
        save_checkpoint(path, self._parts, {"step": self.step, **progress})

    def restore(self, path: Path) -> dict[str, Any]:
        """Go back to a saved state and return its progress; `load_checkpoint` says what it refuses."""
        progress = load_checkpoint(path, self._parts, self.device)
        self.step = int(progress.pop("step"))
        return progress

    def save_average(self, path: Path, card: Mapping[str, str], *, half: bool = False) -> None:
        """Write the averaged weights with their card; ``half`` rounds to fp16, for files that are shipped."""
        save_weights(path, self.average.state_dict(), card, half=half)
