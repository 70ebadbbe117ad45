"""fp16 ends at 65,504: what outgrows it must spoil neither a prediction nor a training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from compute.precision import finite
from models.initial import SHIPPED
from models.unet.network import UNET, build_network
from models.unet.settings import UNetSettings
from models.unet.training import UNetLearner
from models.unet.wide_range import widen
from models.weights import fill, load_weights, parse_card
from models.window_predictor import WindowPredictor
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

CPU = torch.device("cpu")
TINY = UNetSettings(stem=4, channels=(4, 6, 8), strides=(1, 2), init="scratch", precision="fp16")


class Loud(nn.Module):
    """Overflows in fp16 on its way, and not in fp32."""

    def __init__(self):
        super().__init__()
        self.up, self.down = (nn.Conv3d(1, 1, 1, bias=False) for _ in range(2))
        nn.init.constant_(self.up.weight, 1e4)
        nn.init.constant_(self.down.weight, 1e-4)

    def forward(self, volume):
        return self.down(self.up(volume))


def test_shipped_network_gives_the_same_in_fp16_also_for_loud_voxels():
    path = SHIPPED / "unet" / "weights.safetensors"
    state, card = load_weights(path)
    settings = UNetSettings(**parse_card(card, "unet", path)[0])
    network = build_network(settings, 7)
    fill(network, state, path)
    volume = np.random.default_rng(0).normal(0, 1, (24, 48, 48)).astype(np.float32)
    volume[8:16, 20:30, 20:30] -= 5
    volume[5, 5, 5] = 100.0
    softmax = []
    for precision in ("fp32", "fp16"):
        predictor = WindowPredictor(UNET, network, replace(settings, precision=precision, views=1), 6, CPU)
        logits = predictor.predict(Tomogram("TS", volume, 10.0)).logits.astype(np.float32)
        assert np.isfinite(logits).all()
        softmax.append(torch.from_numpy(logits).softmax(0).numpy())
    assert np.quantile(np.abs(softmax[0] - softmax[1]), 0.999) < 0.02


def test_an_overflow_is_computed_again_in_full():
    loud, volume = Loud(), torch.full((1, 1, 2, 2, 2), 30.0)
    with torch.autocast("cpu", dtype=torch.float16):
        assert not torch.isfinite(loud(volume)).all()
    result = finite(lambda: loud(volume), CPU, torch.float16)
    assert result.dtype == torch.float32 and torch.allclose(result, volume)
    assert finite(lambda: loud(volume), CPU, torch.bfloat16).dtype == torch.bfloat16


def test_a_widened_module_leaves_fp16_and_nothing_else():
    loud, volume = Loud(), torch.full((1, 1, 2, 2, 2), 30.0)
    keys = set(loud.state_dict())
    widen(loud)
    assert set(loud.state_dict()) == keys and isinstance(loud, Loud)
    with torch.autocast("cpu", dtype=torch.float16):
        assert torch.allclose(loud(volume.half()), volume)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loud(volume).dtype == torch.bfloat16
    assert loud(volume).dtype == torch.float32


def test_a_training_step_survives_an_overflow():
    learner = UNetLearner(TINY, (Particle("ball", 1, 80.0, 1.0),), 0, "cpu")
    with torch.no_grad():
        learner.network.body.model[2].weight *= 1e7
    before = learner.network.stem[0].weight.detach().clone()
    generator = torch.Generator().manual_seed(0)
    crops = torch.randn(1, 1, 12, 16, 16, generator=generator)
    targets = torch.randint(0, 2, (1, 6, 8, 8), generator=generator, dtype=torch.uint8)
    losses = [learner.learn((crops, targets), done=0.5) for _ in range(12)]  # the scaler finds its scale meanwhile
    assert np.isfinite(losses).all()
    assert torch.isfinite(learner.network.stem[0].weight).all()
    assert not torch.equal(learner.network.stem[0].weight, before)


def test_a_network_that_gives_nan_is_an_input_error():
    network = build_network(TINY, 2)
    nn.init.constant_(network.body.model[2].bias, float("nan"))
    predictor = WindowPredictor(UNET, network, TINY, 1, CPU)
    with pytest.raises(InputError, match="finite logits"):
        predictor.predict(Tomogram("TS", np.zeros((8, 16, 16), np.float32), 10.0))
