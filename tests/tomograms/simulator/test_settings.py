from dataclasses import fields, replace

import numpy as np
import pytest

from tomograms.errors import InputError
from tomograms.simulator.settings import CZII_LIKE, TRAINING, Conditions, Settings, draw


def test_draws_lie_in_the_ranges_and_follow_the_seed():
    for seed in range(20):
        drawn = draw(TRAINING, np.random.default_rng(seed))
        for field in fields(Conditions):
            low, high = getattr(TRAINING, field.name)
            assert low <= getattr(drawn, field.name) <= high
        assert drawn == draw(TRAINING, np.random.default_rng(seed))
    assert drawn != draw(TRAINING, np.random.default_rng(0))


def test_training_is_at_least_as_wide():
    for field in fields(Settings):
        if field.name not in ("voxel_size", "counts", "crowding"):
            low, high = getattr(CZII_LIKE, field.name)
            wide_low, wide_high = getattr(TRAINING, field.name)
            assert wide_low <= high and wide_high >= low
            assert wide_high - wide_low >= high - low


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dose": (100, 50)}, "dose as 0 <= low <= high, but got 100, 50"),
        ({"gold": (-1, 5)}, "gold as 0 <= low <= high, but got -1, 5"),
        ({"step": (0, 3)}, "step above 0, but got 0"),
        ({"half_range": (60, 90)}, "half_range below 85 degrees, but got 90"),
        ({"voxel_size": 0}, "voxel size above 0 Å, but got 0"),
        ({"counts": {"ribosome": (5, 2)}}, "counts of ribosome as 0 <= low <= high, but got 5, 2"),
        ({"dose": (float("nan"), 50)}, "dose as 0 <= low <= high, but got nan, 50"),
    ],
)
def test_impossible_ranges_are_refused(change, words):
    with pytest.raises(InputError, match=words.replace("(", "\\(")):
        replace(CZII_LIKE, **change)
