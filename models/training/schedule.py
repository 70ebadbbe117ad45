"""What every training of a network shares: the course of the learning rate, and the average of the weights."""

import math

import torch
from torch import nn

LOWEST = 0.01


def learning_rate(done: float, *, peak: float, warmup: float) -> float:
    """Return the rate after a share ``done`` (0 to 1) of the training.

    It rises linearly to ``peak`` over the first ``warmup`` share, and falls as a cosine to a hundredth of it.
    """
    if done < warmup:
        return peak * done / warmup
    falling = min(1.0, (done - warmup) / max(1e-9, 1.0 - warmup))
    return peak * (LOWEST + (1 - LOWEST) * 0.5 * (1 + math.cos(math.pi * falling)))


def follow(average: nn.Module, network: nn.Module, *, decay: float, step: int) -> None:
    """Move the average's weights towards the network's; it forgets faster in the first steps."""
    decay = min(decay, step / (9 + step))
    new = list(network.state_dict().values())
    with torch.no_grad():
        for old, now in zip(average.state_dict().values(), new, strict=True):
            if old.dtype.is_floating_point:
                old.lerp_(now, 1 - decay)
            else:
                old.copy_(now)
