"""The fast trial equals fusing, counting and sweeping with the public functions."""

import numpy as np
import pytest

from ensemble.clustering import FusionRule, fuse
from ensemble.fitting import tuning_problem
from evaluation.counts import count
from evaluation.thresholds import apply_thresholds, best_threshold, sweep
from tests.ensemble.synthetic import PAIR

HARD = PAIR[1]


@pytest.mark.parametrize(("weights", "fraction"), [((1.0, 1.0), 0.6), ((1.0, 0.25), 0.9), ((0.0, 1.0), 0.3)])
def test_trial_equals_the_whole_way(problem, weights, fraction):
    truth, weighed, variance, problem = problem
    rule = FusionRule(dict(zip(("unet", "yolo"), weights, strict=True)), fraction, variance)
    table = fuse(weighed, [HARD], rules={HARD.name: rule})
    trial = problem.sweep(np.array(weights), fraction)
    curve = sweep(truth, table, HARD)
    every = np.ones((1, len(trial.truth)))
    assert trial.f_beta(every).max() == pytest.approx(curve.f_beta.max(), abs=1e-12)
    for threshold in (best_threshold(curve), trial.threshold[len(trial.threshold) // 2]):
        counts = count(truth, apply_thresholds(table, {HARD.name: threshold}), PAIR)
        at = int(np.searchsorted(-trial.threshold, -threshold, side="right")) - 1
        for number, experiment in enumerate(sorted(counts)):
            own = counts[experiment][HARD.name]
            assert (own.tp, own.truth) == (trial.hit[number, at], trial.truth[number])
            if threshold in trial.threshold:
                assert own.predictions == trial.predicted[number, at]


def test_resampled_f_is_that_of_repeated_runs(problem):
    *_, problem = problem
    trial = problem.sweep(np.ones(2), 0.6)
    multiplicity = np.array([[2.0, 0, 1, 0, 0, 3, 1]])
    hit, predicted = (multiplicity[0] @ table for table in (trial.hit, trial.predicted))
    expected = 17 * hit / (predicted + 16 * (multiplicity[0] @ trial.truth))
    np.testing.assert_allclose(trial.f_beta(multiplicity)[0], expected)


def test_nothing_hit_gives_an_empty_sweep(problem):
    truth, weighed, variance, _ = problem
    away = weighed.assign(x=weighed["x"] + 1e5)
    trial = tuning_problem(truth, away, HARD, variance).sweep(np.ones(2), 0.6)
    assert trial.threshold.shape == (0,) and trial.hit.shape == (7, 0) and trial.predicted.shape == (7, 0)
