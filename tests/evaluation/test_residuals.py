"""Residuals: a known offset is found and taken back, noise is left alone, half a voxel is recognised."""

import numpy as np
import pandas as pd
import pytest

from evaluation.residuals import ENOUGH, measure_residuals, shift
from postproc.candidates import concatenate, empty_candidates, make_candidates
from tomograms.particles import Particle
from tomograms.picks import join_truth, make_truth

SPECIES = (Particle("easy", 1, 60.0, 1.0), Particle("hard", 2, 90.0, 2.0))


def data(offset, *, noise=5.0, particles=40, seed=0):
    """Two runs on a grid; every particle found with an offset and noise, beside fainter nonsense."""
    rng = np.random.default_rng(seed)
    truths, tables = [], []
    for run in ("TS_1", "TS_2"):
        for species in SPECIES:
            centre = 400.0 * np.argwhere(np.ones((particles, 1, 1))) + rng.uniform(0, 50, 3)
            found = centre + np.array(offset) + rng.normal(0, noise, centre.shape)
            nonsense = centre + np.array([0.0, 0.4 * species.radius, 0.0])
            truths.append(make_truth(run, species.name, centre))
            for position, score in ((found, 0.9), (nonsense, 0.1)):
                tables.append(
                    make_candidates(run, species.name, position, np.full(particles, score), member="a", model="mean")
                )
    return join_truth(truths), concatenate(tables)


def test_offset_and_spread_are_those_that_made_the_candidates():
    truth, candidates = data((5.0, 0.0, -3.0))
    residuals = measure_residuals(truth, candidates, SPECIES)
    assert residuals.hits == 2 * 2 * 40  # the fainter ones are passed over
    np.testing.assert_allclose(residuals.offset, (5.0, 0.0, -3.0), atol=1.5)
    np.testing.assert_allclose(residuals.error, 5.0 / np.sqrt(160), rtol=0.2)
    assert residuals.spread == pytest.approx({"easy": 5.0, "hard": 5.0}, rel=0.15)
    assert residuals.significant.tolist() == [True, False, True]
    assert residuals.correction == (residuals.offset[0], 0.0, residuals.offset[2])


def test_correction_leaves_no_offset_and_other_members_alone():
    truth, candidates = data((6.0, -6.0, 0.0))
    corrections = {"a": measure_residuals(truth, candidates, SPECIES).correction}
    left = measure_residuals(truth, shift(candidates, corrections), SPECIES)
    assert np.abs(left.offset[:2]).max() < 1e-9 and not left.significant.any()
    others = candidates.assign(member="b")
    pd.testing.assert_frame_equal(shift(others, corrections), others)


@pytest.mark.parametrize(("offset", "particles"), [((0.4, -0.4, 0.0), 40), ((5.0, 5.0, 5.0), ENOUGH // 4 - 1)])
def test_small_offsets_and_those_of_few_hits_are_left_alone(offset, particles):
    truth, candidates = data(offset, noise=0.5, particles=particles)
    assert measure_residuals(truth, candidates, SPECIES).correction == (0.0, 0.0, 0.0)
    pd.testing.assert_frame_equal(shift(candidates, {"a": (0.0, 0.0, 0.0)}), candidates)


def test_half_a_voxel_of_tomogram_or_output_is_recognised():
    residuals = measure_residuals(*data((5.0, -10.0, 7.5), noise=0.5), SPECIES)
    assert residuals.half_voxels(10.0, stride=1) == ["x"]
    assert residuals.half_voxels(10.0, stride=2) == ["x", "y"]


def test_nothing_found_is_no_offset():
    truth, _ = data((0.0, 0.0, 0.0))
    residuals = measure_residuals(truth, empty_candidates(), SPECIES)
    assert residuals.hits == 0 and residuals.correction == (0.0, 0.0, 0.0)
    assert all(np.isnan(value) for value in residuals.spread.values())
