import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from models.training.targets import ball_targets
from models.unet.member import UNetMember
from models.unet.network import SILENT, ClassHead, build_network, class_axes, is_encoder, silent
from models.unet.settings import STRIDE, UNetSettings
from models.unet.training import UNetLearner
from models.weights import header, parse_card
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

BALL, SHELL = Particle("ball", 1, 80.0, 1.0), Particle("shell", 2, 80.0, 1.0)


@pytest.mark.parametrize("preset", ["demo", "short", "full"])
def test_presets_fit_their_network(preset):
    settings = UNetMember.presets[preset]
    network = build_network(settings, 7)
    UNetMember().check(settings)
    assert STRIDE * math.prod(settings.strides) == network.multiple
    values, particles = parse_card(header("unet", settings, (BALL,)), "unet", Path("w"))
    assert UNetSettings(**values) == settings and particles == (BALL,)


def test_output_is_half_as_large():
    settings = UNetSettings(stem=4, channels=(4, 6), strides=(2,))
    network = build_network(settings, 3)
    assert network.multiple == 4
    assert network(torch.zeros(1, 1, 8, 12, 16)).shape == (1, 3, 4, 6, 8)


def test_channels_of_zeros_before_the_head_change_no_logit_and_no_gradient():
    """What a GPU computes, on a CPU."""
    head = ClassHead(5, 3, enlarge=1)
    features = torch.randn(2, 5, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    widened = functional.conv3d(silent(features), silent(head.weight), head.bias, padding=head.padding)
    assert silent(features).shape[1] == 5 + SILENT
    torch.testing.assert_close(widened, head(features))
    slopes = [torch.autograd.grad(out.square().sum(), head.weight)[0] for out in (widened, head(features))]
    torch.testing.assert_close(*slopes)


def test_tversky_at_one_half_is_dice():
    settings = UNetSettings(
        init="scratch",
        stem=4,
        channels=(4, 6),
        strides=(2,),
        tversky_alpha=0.5,
        tversky_beta=0.5,
        tversky_share=1.0,
        precision="fp32",
    )
    learner = UNetLearner(settings, (BALL, SHELL), 0, "cpu")
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, 4, generator=generator)
    targets = torch.randint(0, 3, (2, 4, 4, 4), generator=generator)
    probability = logits.softmax(1)
    expected = 0.0
    for label in (1, 2):
        p, t = probability[:, label], (targets == label).float()
        expected += float(1 - 2 * (p * t).sum() / (p.sum() + t.sum())) / 2
    assert float(learner.loss(logits, targets)) == pytest.approx(expected, abs=1e-4)


def test_cross_entropy_weighs_every_species():
    settings = UNetSettings(
        init="scratch", stem=4, channels=(4, 6), strides=(2,), tversky_share=0.0, positive_weight=5.0
    )
    learner = UNetLearner(settings, (BALL, SHELL), 0, "cpu")
    logits = torch.tensor([[1.0, -1.0], [0.0, 2.0], [0.5, 0.0]]).T.reshape(2, 3)  # two voxels, three classes
    targets = torch.tensor([0, 2])
    negative = -logits.log_softmax(1)[range(2), targets]
    expected = float((1.0 * negative[0] + 5.0 * negative[1]) / 6.0)
    found = learner.loss(logits.T.reshape(1, 3, 1, 1, 2), targets.reshape(1, 1, 1, 2))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_training_learns_what_it_is_shown():
    """Eighty steps on one crop with one dark ball: the loss falls to less than a third."""
    picks = pd.DataFrame({"particle_type": ["ball"], "x": [160.0], "y": [160.0], "z": [120.0]})
    target = ball_targets(picks, (12, 16, 16), 10.0, particles=[BALL], radius_fraction=0.6, stride=2, origin=0.5)
    z, y, x = np.indices((24, 32, 32))
    rng = np.random.default_rng(0)
    volume = rng.normal(0, 0.5, (24, 32, 32)) - 4.0 * ((z - 12) ** 2 + (y - 16) ** 2 + (x - 16) ** 2 <= 64)
    settings = UNetSettings(init="scratch", stem=6, channels=(8, 12, 16), strides=(1, 2), steps=80, learning_rate=5e-3)
    learner = UNetLearner(settings, (BALL,), 0, "cpu")
    crops = torch.from_numpy(volume.astype(np.float32))[None, None]
    targets = torch.from_numpy(target)[None]
    losses = [learner.learn((crops, targets), done=(step + 1) / 80) for step in range(80)]
    assert losses[-1] < losses[0] / 3


def test_encoder_and_head_are_told_by_their_names():
    network = build_network(UNetSettings(), 7)
    names = [name for name, _ in network.named_parameters()]
    decoder = [name for name in names if not is_encoder(name)]
    # MONAI nests its levels; the way up is part 2 of each.
    assert {name.rsplit(".2.", 1)[0] for name in decoder} == {
        "body.model" + ".1.submodule" * level for level in range(3)
    }
    head = {name: class_axes(name) for name in names if class_axes(name)}
    shapes = dict(network.named_parameters())
    assert len(head) == 2
    assert all(shapes[name].shape[axis] == 7 for name, axes in head.items() for axis in axes)


def test_a_start_from_weights_has_its_own_rates(tmp_path):
    settings = UNetSettings(
        stem=4, channels=(4, 6), strides=(2,), init="scratch", learning_rate=1.0, fine_rate=0.5, encoder_share=0.1
    )
    learner = UNetLearner(settings, (BALL,), 0, "cpu")
    assert learner.peaks == (1.0, 1.0)
    grouped = [p for group in learner.optimiser.param_groups for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in learner.network.parameters()}
    weights = tmp_path / "weights.safetensors"
    learner.write(weights)
    assert UNetLearner(replace(settings, init=str(weights)), (BALL,), 0, "cpu").peaks == (0.05, 0.5)


def test_a_thin_volume_is_grown_with_its_particles():
    """A particle near the lower face shows again in the mirror image that fills the crop, and is labelled there."""
    settings = UNetSettings(init="scratch", stem=4, channels=(4, 6), strides=(2,), crop=(24, 16, 16))
    learner = UNetLearner(settings, (BALL, SHELL), 0, "cpu")
    volume = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    picks = pd.DataFrame({"particle_type": ["ball"], "x": [80.0], "y": [70.0], "z": [120.0]})
    grown = learner.prepare(Tomogram("TS", volume, 10.0), picks)
    assert grown.volume.shape == (24, 16, 16)
    np.testing.assert_array_equal(grown.volume[16:], volume[15:7:-1])
    np.testing.assert_array_equal(grown.labels[8:], grown.labels[7:3:-1])
    assert (grown.labels[8:] == 1).any()
    assert len(grown.centres) == 1  # crops are still drawn around what was picked
