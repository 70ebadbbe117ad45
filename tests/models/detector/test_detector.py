import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from models.detector.member import DetectorMember
from models.detector.network import DETECTOR, ORIGIN, build_network, class_axes, is_encoder
from models.detector.settings import STRIDE, DetectorSettings
from models.detector.training import DetectorLearner
from models.training.targets import IGNORED, ball_offsets, ball_targets
from models.weights import header, parse_card
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

BALL, SHELL = Particle("ball", 1, 80.0, 1.0), Particle("shell", 2, 160.0, 1.0)
TINY = DetectorSettings(init="scratch", filters=4, blocks=(1, 1, 1), crop=(24, 32, 32), precision="fp32", steps=80)


@pytest.mark.parametrize("preset", ["demo", "short", "full"])
def test_presets_fit_their_network(preset):
    settings = DetectorMember.presets[preset]
    DetectorMember().check(settings)
    assert build_network(settings, 6).multiple == 8
    values, particles = parse_card(header("detector", settings, (BALL,)), "detector", Path("w"))
    assert DetectorSettings(**values) == settings and particles == (BALL,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"blocks": (1, 2)}, "three levels or more"),
        ({"crop": (60, 96, 96)}, "multiples of 8"),
        ({"crop": (16, 96, 96)}, "at least 24 planes in z"),
        ({"focus": -1.0}, "focus"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        DetectorMember().check(replace(TINY, **change))


@pytest.mark.parametrize("blocks", [(1, 1, 1), (1, 1, 1, 1)])
def test_output_is_a_quarter_as_large_with_a_channel_for_each_species_and_three_more(blocks):
    network = build_network(replace(TINY, blocks=blocks), 5)
    shape = (network.multiple, 2 * network.multiple, 3 * network.multiple)
    assert network(torch.zeros(2, 1, *shape)).shape == (2, DETECTOR.channels(5), *(n // 4 for n in shape))
    assert DETECTOR.channels(5) == 8


def test_encoder_and_heads_are_told_by_their_names():
    names = [name for name, _ in build_network(TINY, 5).named_parameters()]
    assert {name.split(".")[0] for name in names if not is_encoder(name)} == {"across", "up", "norm", "heat", "offset"}
    assert [name for name in names if class_axes(name)] == ["heat.weight", "heat.bias"]


def test_the_loss_is_a_focal_loss_and_a_distance_for_each_particle():
    """One voxel is a ball's, one a shell's, whose eight times larger particles count eight times less a voxel."""
    learner = DetectorLearner(replace(TINY, focus=2.0, offset_weight=0.5), (BALL, SHELL), 0, "cpu")
    generator = torch.Generator().manual_seed(0)
    logits, offsets = torch.randn(1, 5, 1, 1, 3, generator=generator), torch.randn(1, 3, 1, 1, 3, generator=generator)
    expected, particles = 0.0, 1 + 1 / 8
    for voxel, label in enumerate((1, 2, 0)):
        for species, share in ((1, 1.0), (2, 1 / 8)):
            p = float(logits[0, species - 1, 0, 0, voxel].sigmoid())
            right = p if label == species else 1 - p
            expected += share * (1 - right) ** 2 * -math.log(right)
        distance = float((logits[0, 2:, 0, 0, voxel] - offsets[0, :, 0, 0, voxel]).abs().sum())
        expected += 0.5 * distance * {0: 0.0, 1: 1.0, 2: 1 / 8}[label]
    found = learner.loss(logits, torch.tensor([1, 2, 0]).reshape(1, 1, 1, 3), offsets)
    assert float(found) == pytest.approx(expected / particles, rel=1e-5)


def test_crops_without_particles_have_a_finite_loss():
    learner = DetectorLearner(TINY, (BALL, SHELL), 0, "cpu")
    logits = torch.randn(1, 5, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    loss = learner.loss(logits, torch.zeros(1, 2, 2, 2, dtype=torch.int64), torch.zeros(1, 3, 2, 2, 2))
    assert math.isfinite(float(loss)) and float(loss) > 0


def test_the_loss_does_not_depend_on_ignored_voxels_nor_slope_there():
    learner = DetectorLearner(TINY, (BALL, SHELL), 0, "cpu")
    labels = torch.randint(0, 3, (2, 4, 4, 4), generator=torch.Generator().manual_seed(0))
    labels[:, 2:] = IGNORED
    losses = []
    for scale in (1.0, 30.0):
        logits = torch.randn(2, 5, 4, 4, 4, generator=torch.Generator().manual_seed(1))
        logits[:, :, 2:] *= scale
        logits.requires_grad_()
        loss = learner.loss(*learner.without_ignored(logits, labels), torch.zeros(2, 3, 4, 4, 4))
        loss.backward()
        assert not logits.grad[:, :, 2:].any() and logits.grad[:, :, :2].any()
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]


def test_training_learns_what_it_is_shown_and_where_it_is():
    """Eighty steps on one crop with one ball: the loss falls to a tenth, and the heat's peak points to the centre."""
    picks = pd.DataFrame({"experiment": ["A"], "particle_type": ["ball"], "x": [165.0], "y": [150.0], "z": [120.0]})
    learner = DetectorLearner(replace(TINY, learning_rate=5e-3, ema=0.9), (BALL,), 0, "cpu")
    grid = {"particles": [BALL], "radius_fraction": 0.5, "stride": STRIDE, "origin": ORIGIN}
    z, y, x = np.indices((24, 32, 32))
    volume = np.random.default_rng(0).normal(0, 0.5, (24, 32, 32))
    volume -= 4.0 * ((z - 12) ** 2 + (y - 15) ** 2 + (x - 16.5) ** 2 <= 64)
    crops = torch.from_numpy(volume.astype(np.float32))[None, None]
    labels = torch.from_numpy(ball_targets(picks, (6, 8, 8), 10.0, **grid))[None]
    offsets = torch.from_numpy(ball_offsets(picks, (6, 8, 8), 10.0, **grid).astype(np.float32))[None]
    losses = [learner.learn((crops, labels, offsets), done=(step + 1) / 80) for step in range(80)]
    assert losses[-1] < losses[0] / 10
    maps = learner.maps(Tomogram("A", crops[0, 0].numpy(), 10.0))
    peak = np.array(np.unravel_index(maps.logits[0].argmax(), maps.logits[0].shape))
    centre = ORIGIN + STRIDE * (peak + maps.offsets[:, *peak])
    np.testing.assert_allclose(centre, [12.0, 15.0, 16.5], atol=1.0)
    assert learner.look(Tomogram("A", crops[0, 0].numpy(), 10.0), labels[0].numpy())["average precision ball"] > 0.9


def test_what_it_measures_leaves_out_ignored_voxels_and_absent_species():
    learner = DetectorLearner(TINY, (BALL, SHELL), 0, "cpu")
    tomogram = Tomogram("A", np.random.default_rng(0).normal(size=(24, 32, 32)).astype(np.float32), 10.0)
    truth = np.full((6, 8, 8), IGNORED, np.uint8)
    truth[0] = 1
    found = learner.look(tomogram, truth)
    assert found["average precision ball"] == found["average precision"] == 1.0 and math.isnan(
        found["average precision shell"]
    )
