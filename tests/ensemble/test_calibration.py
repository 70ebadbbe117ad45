"""Calibration: labels by hand, probabilities against the truth that made them, ranking never reversed."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.calibration import (
    ISOTONIC_HITS,
    Calibration,
    Hits,
    fit_calibration,
    label_hits,
    localisation_variance,
)
from postproc.candidates import make_candidates
from tomograms.particles import Particle
from tomograms.picks import join_truth, make_truth

BALL = Particle("ball", 1, 10.0, 1.0)


def sigmoid(value):
    return 1 / (1 + np.exp(-np.asarray(value, float)))


def labels(truth, positions, scores):
    candidates = make_candidates("TS", "ball", positions, scores, member="a", model="m")
    hits = label_hits(truth, candidates, BALL)
    return dict(zip(candidates["x"], zip(hits.label.tolist(), hits.distance, strict=True), strict=True))


def test_best_candidate_of_a_true_particle_is_the_hit_and_its_duplicate_is_not():
    truth = make_truth("TS", "ball", [[0, 0, 0], [100, 0, 0]])
    found = labels(truth, [[3, 0, 0], [1, 0, 0], [104, 0, 0], [50, 0, 0]], [0.9, 0.5, 0.2, 0.8])
    assert {x: hit for x, (hit, _) in found.items()} == {3.0: True, 1.0: False, 104.0: True, 50.0: False}
    assert found[3.0][1] == 3.0 and found[104.0][1] == 4.0 and np.isnan(found[1.0][1])


def test_second_candidate_gets_the_second_true_particle():
    truth = make_truth("TS", "ball", [[0, 0, 0], [4, 0, 0]])
    found = labels(truth, [[1, 0, 0], [0.5, 0, 0]], [0.9, 0.5])  # both are nearer to the first
    assert found[1.0] == (True, 1.0) and found[0.5] == (True, 3.5)


def test_hits_are_of_the_same_species_and_experiment_and_within_half_the_radius():
    truth = join_truth([make_truth("TS", "rod", [[0, 0, 0]]), make_truth("other", "ball", [[20, 0, 0]])])
    truth = join_truth([truth, make_truth("TS", "ball", [[60, 0, 0]])])
    found = labels(truth, [[0, 0, 0], [20, 0, 0], [65, 0, 0]], [0.9, 0.9, 0.9])
    assert [found[x][0] for x in (0.0, 20.0, 65.0)] == [False, False, True]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12),
    st.lists(st.tuples(st.tuples(*[st.integers(0, 4)] * 3), st.sampled_from((0.1, 0.5, 0.9))), max_size=20),
)
def test_labels_equal_the_sequence(true, rows):
    truth = make_truth("TS", "ball", [[3.0 * v for v in xyz] for xyz in true])
    candidates = make_candidates(
        "TS", "ball", [[3.0 * v for v in xyz] for xyz, _ in rows], [s for _, s in rows], member="a", model="m"
    )
    free = truth[["x", "y", "z"]].to_numpy()
    expected = []
    for row in candidates[["x", "y", "z"]].to_numpy():  # the total order: best first
        distance = np.sqrt(((free - row) ** 2).sum(axis=1)) if len(free) else np.empty(0)
        hit = bool(len(free)) and distance.min() <= 5.0
        expected.append(distance.min() if hit else np.nan)
        if hit:
            # of equally near particles the first in the order z, y, x
            near = np.flatnonzero(np.isclose(distance, distance.min()))
            free = np.delete(free, near[0], axis=0)
    hits = label_hits(truth, candidates, BALL)
    np.testing.assert_allclose(hits.distance, np.array(expected, float))
    np.testing.assert_array_equal(hits.label, ~np.isnan(np.array(expected, float)))


@pytest.mark.parametrize("count", [600, 4000])  # without and with isotonic regression
def test_probabilities_are_those_that_made_the_labels(count):
    rng = np.random.default_rng(count)
    logit = rng.normal(-1, 2, count)
    label = rng.uniform(size=count) < sigmoid(0.6 * logit - 1)
    calibration = fit_calibration(sigmoid(logit), label)
    assert bool(calibration.knots) == (label.sum() > ISOTONIC_HITS)
    found = calibration(sigmoid(np.array([-3.0, -1.0, 1.0, 3.0])))
    np.testing.assert_allclose(found, sigmoid(0.6 * np.array([-3.0, -1.0, 1.0, 3.0]) - 1), atol=0.07)


def test_isotonic_repairs_what_a_sigmoid_cannot():
    rng = np.random.default_rng(0)
    score = rng.uniform(size=6000)
    label = rng.uniform(size=6000) < np.where(score < 0.5, 0.05, 0.6)  # a step
    found = fit_calibration(score, label)(np.array([0.1, 0.4, 0.6, 0.9]))
    np.testing.assert_allclose(found, [0.05, 0.05, 0.6, 0.6], atol=0.08)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(-20, 20, allow_subnormal=False).map(lambda v: round(v, 3)), st.booleans()),
        min_size=1,
        max_size=50,
    ),
    st.booleans(),
)
def test_ranking_is_never_reversed_and_values_are_probabilities(rows, as_probability):
    value = np.array([v for v, _ in rows])
    score = sigmoid(value) if as_probability else value
    calibration = fit_calibration(score, np.array([hit for _, hit in rows]))
    wide = np.sort(np.concatenate([score, np.linspace(*(0, 1) if as_probability else (-50, 50), 41)]))
    probability = calibration(wide)
    assert np.all(np.diff(probability) >= 0)
    assert np.all((probability >= 0) & (probability <= 1))
    apart = np.diff(np.sort(score)) > 1e-3
    assert np.all(np.diff(calibration(np.sort(score)))[apart] >= 0)


def test_isotonic_keeps_the_ranking_within_its_steps():
    rng = np.random.default_rng(3)
    score = rng.uniform(size=2000)
    calibration = fit_calibration(score, rng.uniform(size=2000) < 0.3)
    assert calibration.knots
    ranked = calibration(np.linspace(0.01, 0.99, 500))
    assert np.all(np.diff(ranked) > 0) or calibration.slope < 1e-3


@pytest.mark.parametrize(
    ("label", "share"),
    [([False] * 4, 1 / 6), ([True] * 4, 5 / 6), ([True, True, False, False], 3 / 6)],
    ids=["no hit", "only hits", "worse than chance"],
)
def test_without_a_slope_the_mean_is_the_smoothed_share_and_the_ranking_stays(label, share):
    score = np.array([0.1, 0.2, 0.5, 0.9])
    probability = fit_calibration(score, np.array(label))(score)
    assert probability.mean() == pytest.approx(share, abs=1e-6)
    assert np.all(np.diff(probability) > 0)


def test_one_distinct_score_gets_the_smoothed_share():
    calibration = fit_calibration(np.full(8, 0.3), np.array([True, False] * 4))
    assert calibration(np.array([0.3]))[0] == pytest.approx(0.5, abs=1e-6)


def test_no_candidates_leave_scores_as_they_are():
    score = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(fit_calibration(np.empty(0), np.empty(0, bool))(score), score, atol=1e-9)


def test_scores_at_the_ends_and_outside_are_finite():
    calibration = fit_calibration(np.array([0.0, 0.2, 0.8, 1.0]), np.array([False, False, True, True]))
    probability = calibration(np.array([0.0, 0.5, 1.0]))
    assert np.isfinite(probability).all() and np.all(np.diff(probability) > 0)
    logits = fit_calibration(np.array([-8.0, 1.0, 3.0, 900.0]), np.array([False, False, True, True]))
    assert not logits.logit and np.isfinite(logits(np.array([-1e6, 1e6]))).all()


def test_record_restores_every_bit():
    rng = np.random.default_rng(1)
    score = rng.uniform(size=3000)
    calibration = fit_calibration(score, rng.uniform(size=3000) < score)
    restored = Calibration.from_record(json.loads(json.dumps(asdict(calibration))))
    assert restored == calibration
    np.testing.assert_array_equal(restored(score), calibration(score))


def test_localisation_variance_is_the_weighted_mean_pulled_to_a_prior():
    hits = Hits(np.array([True, False, True]), np.array([3.0, np.nan, 6.0]))
    probability = np.array([0.9, 0.9, 0.3])
    expected = (0.9 * 9 / 3 + 0.3 * 36 / 3 + 5 * (10 / 5) ** 2) / (0.9 + 0.3 + 5)
    assert localisation_variance(hits, probability, BALL) == pytest.approx(expected)


def test_localisation_variance_finds_the_noise_and_orders_members():
    rng = np.random.default_rng(2)
    centres = np.arange(200)[:, None] * np.array([[100.0, 0, 0]])
    truth = make_truth("TS", "ball", centres)
    found = {}
    for noise in (0.5, 1.5):
        candidates = make_candidates(
            "TS", "ball", centres + rng.normal(0, noise, centres.shape), np.full(200, 0.9), member="a", model="m"
        )
        found[noise] = localisation_variance(label_hits(truth, candidates, BALL), np.full(200, 1.0), BALL)
    for noise, variance in found.items():
        assert variance == pytest.approx(noise**2 + 5 / 205 * (2.0**2 - noise**2), rel=0.15)


def test_nothing_found_gives_the_prior():
    empty = make_candidates("TS", "ball", np.empty((0, 3)), [], member="a", model="m")
    hits = label_hits(make_truth("TS", "ball", [[0, 0, 0]]), empty, BALL)
    assert hits.label.shape == (0,) and hits.distance.shape == (0,)
    assert localisation_variance(hits, np.empty(0), BALL) == pytest.approx((10 / 5) ** 2)
