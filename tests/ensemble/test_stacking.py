"""Stacking and its logistic regression: against scikit-learn, and against members whose worth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from ensemble.calibration import label_hits
from ensemble.clustering import FusionRule, fuse
from ensemble.logistic import fit_logistic, smoothed_targets
from ensemble.stacking import stacked_weights
from ensemble.tuning import DEFAULT_FRACTION
from tests.ensemble.synthetic import PAIR


def drawn(rng, informative, *, clusters=600, hits=40):
    """Evidence of members of which each knows the truth as well as ``informative`` says, and errs on its own."""
    hit = np.arange(clusters) < hits
    columns = [np.maximum(0, 3 * worth * hit + rng.normal(1, 1, clusters)) for worth in informative]
    return np.stack(columns, axis=1), hit


def test_regression_is_scikit_learns_where_the_prior_is_its_ridge():
    features, hit = drawn(np.random.default_rng(0), (1.0, 0.5, 0.2))
    found, intercept = fit_logistic(features, hit, prior=np.zeros(3), precision=np.eye(3), least=np.full(3, -np.inf))
    target, both = smoothed_targets(hit), np.concatenate([features, features])
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000)
    model.fit(both, np.repeat([1, 0], len(hit)), sample_weight=np.concatenate([target, 1 - target]))
    np.testing.assert_allclose(found, model.coef_[0], atol=1e-4)
    assert intercept == pytest.approx(model.intercept_[0], abs=1e-4)


def test_regression_keeps_its_bounds_and_a_firm_prior():
    features, hit = drawn(np.random.default_rng(1), (1.0, -1.0))
    found, _ = fit_logistic(features, hit, prior=np.ones(2), precision=np.zeros((2, 2)), least=np.zeros(2))
    assert found[0] > 0 and found[1] == 0.0
    held, _ = fit_logistic(features, hit, prior=np.array([1.0, 2.0]), precision=1e9 * np.eye(2), least=np.zeros(2))
    np.testing.assert_allclose(held, [1.0, 2.0], atol=1e-4)


def test_targets_are_smoothed_by_one_hit_and_one_miss():
    np.testing.assert_allclose(smoothed_targets(np.array([True, False, False])), [2 / 3, 1 / 4, 1 / 4])


def test_members_of_equal_worth_count_nearly_alike_and_a_better_one_counts_more():
    rng = np.random.default_rng(2)
    assert stacked_weights(*drawn(rng, (1.0, 1.0), clusters=5000, hits=500)).min() > 0.8
    better, worse = stacked_weights(*drawn(rng, (1.0, 0.5), clusters=5000, hits=500))
    assert better == 1.0 and worse < 0.7


def test_member_that_repeats_another_with_noise_counts_for_little():
    rng = np.random.default_rng(3)
    evidence, hit = drawn(rng, (1.0,), clusters=5000, hits=500)
    echo = np.maximum(0, evidence + rng.normal(0, 1, evidence.shape))
    first, second = stacked_weights(np.hstack([evidence, echo]), hit)
    assert first == 1.0 and second < 0.15


def test_few_hits_do_not_tear_members_apart():
    rng = np.random.default_rng(4)
    few, many = (stacked_weights(*drawn(rng, (1.0, 0.3), clusters=15 * n, hits=n)).min() for n in (3, 300))
    assert few > 1.5 * many


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_order_of_members_changes_nothing_but_the_order(seed):
    evidence, hit = drawn(np.random.default_rng(seed), (1.0, 0.6, 0.0), clusters=200, hits=20)
    forth, back = stacked_weights(evidence, hit), stacked_weights(evidence[:, ::-1], hit)
    np.testing.assert_allclose(forth, back[::-1], atol=0.002)
    assert forth.max() == 1.0 and forth.min() >= 0.0


def test_nothing_to_learn_gives_equal_weights():
    evidence, hit = drawn(np.random.default_rng(5), (1.0, 0.5))
    for table, labels in ((evidence, hit & False), (evidence, hit | True), (evidence[:, :1], hit)):
        np.testing.assert_array_equal(stacked_weights(table, labels), 1.0)
    silent = np.column_stack([evidence[:, 0], np.zeros(len(hit))])
    np.testing.assert_allclose(stacked_weights(silent, hit), 1.0, atol=0.01)


def test_findings_are_the_clusters_and_hits_of_equal_fusion(problem):
    truth, weighed, variance, problem = problem
    hard = PAIR[1]
    evidence, hit = problem.findings(DEFAULT_FRACTION)
    rule = FusionRule(dict.fromkeys(variance, 1.0), DEFAULT_FRACTION, variance)
    table = fuse(weighed, [hard], rules={hard.name: rule})
    assert len(evidence) == len(table) and int(hit.sum()) == int(label_hits(truth, table, hard).label.sum())
    np.testing.assert_allclose(np.sort(evidence.mean(axis=1)), np.sort(table["score"]))
    np.testing.assert_allclose(
        np.sort(evidence[hit].mean(axis=1)), np.sort(table["score"][label_hits(truth, table, hard).label])
    )
    assert np.count_nonzero(evidence) == len(weighed)
