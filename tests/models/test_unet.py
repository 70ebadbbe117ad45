import pytest
import torch

from models.targets import ball_targets
from models.unet import UNetMember, UNetSettings, build_network, settings_from_json, settings_to_json
from models.unet_training import Trainer, check_crop
from tomograms.errors import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize("preset", ["demo", "short", "full"])
def test_presets_fit_their_network(preset):
    settings = UNetMember.presets[preset]
    network = build_network(settings, 7)
    check_crop(settings.crop, network.multiple)
    assert settings_from_json(settings_to_json(settings)) == settings


def test_output_is_half_as_large():
    settings = UNetSettings(stem=4, channels=(4, 6), strides=(2,))
    network = build_network(settings, 3)
    assert network.multiple == 4
    assert network(torch.zeros(1, 1, 8, 12, 16)).shape == (1, 3, 4, 6, 8)


@pytest.mark.parametrize(("crop", "message"), [((50, 96, 96), "multiples of 8"), ((16, 96, 96), "at least 24 planes")])
def test_crops_that_do_not_fit_are_refused(crop, message):
    with pytest.raises(InputError, match=message):
        check_crop(crop, 8)


def test_tversky_at_one_half_is_dice():
    settings = UNetSettings(
        stem=4, channels=(4, 6), strides=(2,), tversky_alpha=0.5, tversky_beta=0.5, tversky_share=1.0, precision="fp32"
    )
    trainer = Trainer(settings, 3, 0, CPU)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, 4, generator=generator)
    targets = torch.randint(0, 3, (2, 4, 4, 4), generator=generator)
    probability = logits.softmax(1)
    expected = 0.0
    for label in (1, 2):
        p, t = probability[:, label], (targets == label).float()
        expected += float(1 - 2 * (p * t).sum() / (p.sum() + t.sum())) / 2
    assert float(trainer._loss(logits, targets)) == pytest.approx(expected, abs=1e-4)


def test_cross_entropy_weighs_every_species():
    settings = UNetSettings(stem=4, channels=(4, 6), strides=(2,), tversky_share=0.0, positive_weight=5.0)
    trainer = Trainer(settings, 3, 0, CPU)
    logits = torch.tensor([[1.0, -1.0], [0.0, 2.0], [0.5, 0.0]]).T.reshape(2, 3)  # two voxels, three classes
    targets = torch.tensor([0, 2])
    negative = -logits.log_softmax(1)[range(2), targets]
    expected = float((1.0 * negative[0] + 5.0 * negative[1]) / 6.0)
    found = trainer._loss(logits.T.reshape(1, 3, 1, 1, 2), targets.reshape(1, 1, 1, 2))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_the_rate_rises_then_falls_to_a_hundredth():
    settings = UNetSettings(stem=4, channels=(4, 6), strides=(2,), steps=100, warmup=0.1, learning_rate=1.0)
    trainer = Trainer(settings, 2, 0, CPU)
    rates = []
    for step in range(100):
        trainer.step = step
        rates.append(trainer._rate())
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(0.01, abs=0.001)


def test_training_learns_what_it_is_shown():
    """Eighty steps on one crop with one dark ball: the loss falls to less than a third."""
    import numpy as np
    import pandas as pd

    from tomograms.particles import Particle

    picks = pd.DataFrame({"particle_type": ["ball"], "x": [160.0], "y": [160.0], "z": [120.0]})
    target = ball_targets(
        picks, (12, 16, 16), 10.0, particles=[Particle("ball", 1, 80.0, 1.0)], radius_fraction=0.6, stride=2, origin=0.5
    )
    z, y, x = np.indices((24, 32, 32))
    rng = np.random.default_rng(0)
    volume = rng.normal(0, 0.5, (24, 32, 32)) - 4.0 * ((z - 12) ** 2 + (y - 16) ** 2 + (x - 16) ** 2 <= 64)
    settings = UNetSettings(stem=6, channels=(8, 12, 16), strides=(1, 2), steps=80, learning_rate=5e-3)
    trainer = Trainer(settings, 2, 0, CPU)
    crops = torch.from_numpy(volume.astype(np.float32))[None, None]
    targets = torch.from_numpy(target)[None]
    losses = [trainer.train_step(crops, targets) for _ in range(80)]
    assert losses[-1] < losses[0] / 3
