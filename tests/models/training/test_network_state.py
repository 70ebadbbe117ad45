"""A training that goes on with another number format than it was begun with."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.unet.settings import UNetSettings
from models.unet.training import UNetLearner
from tomograms.particles import Particle

TINY = UNetSettings(stem=4, channels=(4, 6, 8), strides=(1, 2), init="scratch")


def learner(precision):
    return UNetLearner(replace(TINY, precision=precision), (Particle("ball", 1, 80.0, 1.0),), 0, "cpu")


@pytest.mark.parametrize(("first", "then"), [("bf16", "fp16"), ("fp16", "bf16"), ("fp16", "fp16")])
def test_a_checkpoint_is_resumed_in_another_format(tmp_path, first, then):
    generator = torch.Generator().manual_seed(0)
    batch = (
        torch.randn(1, 1, 12, 16, 16, generator=generator),
        torch.randint(0, 2, (1, 6, 8, 8), generator=generator, dtype=torch.uint8),
    )
    begun = learner(first)
    losses = [begun.learn(batch, done=0.5) for _ in range(3)]
    begun.save(tmp_path / "checkpoint.pt", {"history": [1]})
    resumed = learner(then)
    assert resumed.restore(tmp_path / "checkpoint.pt") == {"history": [1]} and resumed.step == 3
    for name, value in begun.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], value, msg=name)
    if first == then:
        assert resumed.scaler.state_dict() == begun.scaler.state_dict()
    losses += [resumed.learn(batch, done=0.5) for _ in range(12)]  # the scaler finds its scale meanwhile
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert resumed.scaler.is_enabled() == (then == "fp16")
