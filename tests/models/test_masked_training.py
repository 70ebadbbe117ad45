"""Training inside a mask: no loss and no crop outside, and what lies there changes nothing."""

import numpy as np
import pandas as pd
import torch

from models.training.crops import TrainingVolume, draw_batch, some_places
from models.training.targets import IGNORED, ignore_outside
from models.unet.settings import UNetSettings
from models.unet.training import UNetLearner
from models.yolo.dataset import write_dataset
from models.yolo.slices import slabs_inside
from tests.models.unet.test_unet import BALL, SHELL
from tests.models.yolo.test_yolo import asked
from tomograms.tomogram import Tomogram

SETTINGS = UNetSettings(init="scratch", stem=4, channels=(4, 6), strides=(2,), crop=(8, 16, 16), precision="fp32")


def test_the_loss_does_not_depend_on_ignored_voxels_nor_slope_there():
    learner = UNetLearner(SETTINGS, (BALL, SHELL), 0, "cpu")
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 3, (2, 4, 4, 4), generator=generator)
    targets[:, 2:] = IGNORED
    losses = []
    for scale in (1.0, 30.0):
        logits = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(1))
        logits[:, :, 2:] *= scale
        logits.requires_grad_()
        loss = learner.loss(*learner.without_ignored(logits, targets))
        loss.backward()
        assert not logits.grad[:, :, 2:].any() and logits.grad[:, :, :2].any()
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]


def test_targets_outside_are_ignored_on_the_coarser_grid():
    mask = np.zeros((4, 8, 8), bool)
    mask[:, :, :4] = True
    labels = np.ones((2, 4, 4), np.uint8)
    ignore_outside(labels, mask, stride=2, origin=0.5)
    assert (labels[:, :, :2] == 1).all() and (labels[:, :, 2:] == IGNORED).all()


def test_crops_anywhere_are_centred_inside():
    mask = np.zeros((24, 32, 32), bool)
    mask[10:12, 5:9, 20:22] = True
    volume = mask.astype(np.float32)
    empty = np.empty((0, 3)), np.empty(0, np.int64)
    inside = TrainingVolume(volume, np.zeros((12, 16, 16), np.uint8), *empty, some_places(mask))
    crops, _, _ = draw_batch(
        [inside], size=(8, 8, 8), batch=32, stride=2, around_picks=0.0, shares=np.ones(1), rng=np.random.default_rng(0)
    )
    assert (crops.reshape(32, -1).max(1) == 1).all()
    assert len(some_places(np.ones((60, 60, 60), bool))) <= 100_000


def test_a_unet_step_is_the_same_whatever_the_volume_held_outside():
    weights = []
    for seed in (1, 2):
        volume = np.random.default_rng(0).normal(size=(8, 16, 16)).astype(np.float32)
        mask = np.zeros(volume.shape, bool)
        mask[:, :, :8] = True
        picks = pd.DataFrame([("A", "ball", 40.0, 80.0, 40.0)], columns=["experiment", "particle_type", "x", "y", "z"])
        if seed == 2:  # an annotation outside, which `Dataset.picks` would have dropped
            picks.loc[1] = ("A", "shell", 140.0, 80.0, 40.0)
        learner = UNetLearner(SETTINGS, (BALL, SHELL), 0, "cpu")
        prepared = learner.prepare(Tomogram("A", volume * mask, 10.0, mask), picks)
        labels = prepared.labels
        assert (labels[:, :, 5:] == IGNORED).all() and set(np.unique(labels[:, :, :4])) <= {0, 1}
        batch = torch.from_numpy(prepared.volume[None, None].copy()), torch.from_numpy(labels[None].copy())
        learner.learn(batch, done=0.5)
        weights.append(torch.cat([p.detach().ravel() for p in learner.network.parameters()]))
    assert torch.equal(*weights)


def test_yolo_learns_from_slices_that_hold_some_of_the_mask(tmp_path):
    mask = np.zeros((16, 64, 64), bool)
    mask[4:9, 10:50] = True
    training = asked(tmp_path)
    write_dataset(tmp_path / "whole", training)
    masked = Tomogram("TS_1", training.tomograms[0].volume, 10.0, mask)
    write_dataset(tmp_path / "masked", type(training)([masked], *list(vars(training).values())[1:]))
    names = {place: {p.name for p in (tmp_path / place / "images/train").iterdir()} for place in ("whole", "masked")}
    assert names["masked"] and names["masked"] < names["whole"]


def test_of_a_mask_between_the_slabs_the_middle_is_taken():
    mask = np.zeros((16, 4, 4), bool)
    mask[5] = True
    assert slabs_inside(np.array([0, 4, 8, 12]), mask, 1).tolist() == [5]
    assert slabs_inside(np.array([0, 4, 8, 12]), mask, 2).tolist() == [4]
