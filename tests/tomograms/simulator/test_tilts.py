from dataclasses import replace

import numpy as np

from tomograms.simulator.tilts import tilt_series


def test_a_dose_symmetric_series(conditions):
    tilts = tilt_series(conditions, np.random.default_rng(0))
    assert np.allclose(np.rad2deg(tilts.angle), np.arange(-60, 61, 3))
    assert np.isclose(tilts.dose * 41, 120)
    assert np.array_equal(np.sort(tilts.dose_before), (np.arange(41) + 0.5) * tilts.dose)
    assert tilts.dose_before.argmin() == 20
    assert np.all(np.diff(tilts.dose_before[20:]) > 0) and np.all(np.diff(tilts.dose_before[:21]) < 0)
    assert np.all(tilts.shift == 0) and np.all(tilts.angle_error == 0) and np.all(tilts.defocus == 3.0)


def test_a_step_that_does_not_divide_the_range(conditions):
    tilts = tilt_series(replace(conditions, half_range=50.0, step=2.7), np.random.default_rng(0))
    assert np.allclose(tilts.angle, -tilts.angle[::-1])
    assert 50 - 2.7 < np.rad2deg(tilts.angle.max()) <= 50


def test_misalignment_moves_no_sample(conditions):
    tilts = tilt_series(replace(conditions, misalignment=0.5, angle_error=0.3), np.random.default_rng(1))
    assert 0.3 < tilts.shift.std() < 0.7
    # a shift (x, z) of the sample is seen as x cos + z sin: no part of the misalignment looks so
    assert np.allclose(tilts.shift[:, 1] @ np.cos(tilts.angle), 0) and np.allclose(
        tilts.shift[:, 1] @ np.sin(tilts.angle), 0
    )
    assert np.isclose(tilts.shift[:, 0].sum(), 0) and np.isclose(tilts.angle_error.sum(), 0)
