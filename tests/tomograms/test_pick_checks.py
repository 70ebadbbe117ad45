"""Positions that seem to be in another unit than Å."""

import numpy as np
import pytest

from tomograms.coordinates import Extent
from tomograms.pick_checks import doubtful_units, repeated
from tomograms.picks import join_truth, make_truth

VOLUME = Extent((184, 630, 630), 10.0)


def table(scale, count=20, name="TS_1"):
    index = np.random.default_rng(0).uniform(0.02, 0.98, (count, 3)) * VOLUME.shape[::-1]
    return make_truth(name, "ribosome", index * scale)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_voxels_and_nanometres_are_doubted(scale):
    line = doubtful_units(table(scale), {"TS_1": VOLUME}, "the picks")
    assert "along x, y and z in TS_1: are they in voxels or nanometres, and not in Å?" in line


@pytest.mark.parametrize(
    ("picks", "volume"),
    [
        (table(10.0), VOLUME),
        (table(1.0, count=2), VOLUME),  # two may meet in a corner
        (table(1.0), Extent(VOLUME.shape, 2.0)),  # half of the volume
        (table(1.0, count=0), VOLUME),
        (table(1.0, name="TS_2"), VOLUME),  # nobody knows its volume
    ],
)
def test_others_are_not(picks, volume):
    assert doubtful_units(picks, {"TS_1": volume}, "the picks") == ""


def test_picks_that_stand_twice_are_said():
    place = np.array([[100.0, 100, 100]])
    tables = [make_truth("TS_1", "ribosome", np.repeat(place, 3, 0)), make_truth("TS_2", "ribosome", place)]
    assert repeated(join_truth(tables)).endswith("each of which counts as a particle: 2 in TS_1")
    assert repeated(join_truth([make_truth("TS_1", name, place) for name in ("ribosome", "apo-ferritin")])) == ""
