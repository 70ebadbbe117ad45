from collections import Counter
from itertools import product

import numpy as np
import pytest

from evaluation.counts import Counts, pool, score
from evaluation.folds import Fold
from evaluation.intervals import difference_interval, percentile, resampled_scores, resamplings, score_interval
from evaluation.nested import FoldResult, NestedResult, ThresholdRule
from tomograms.particles import CZII


def result(*runs):
    """A nested result with these counts of (apo-ferritin, thyroglobulin) a run."""
    names = [f"R{index}" for index in range(len(runs))]
    rule = ThresholdRule({})
    folds = []
    for name, (apo, thyroglobulin) in zip(names, runs, strict=True):
        counts = {p.name: Counts() for p in CZII} | {
            "apo-ferritin": Counts(*apo),
            "thyroglobulin": Counts(*thyroglobulin),
        }
        folds.append(FoldResult(Fold((name,), ("other",)), rule, {name: counts}))
    return NestedResult(CZII, tuple(folds), rule, {}, {})


THREE = result(((5, 2, 1), (3, 0, 3)), ((7, 1, 0), (0, 4, 6)), ((0, 0, 2), (9, -1, 0)))


def test_seven_runs_have_1716_draws():
    multiplicity, probability = resamplings(7)
    assert multiplicity.shape == (1716, 7)
    assert (multiplicity.sum(axis=1) == 7).all()
    assert len(np.unique(multiplicity, axis=0)) == 1716
    assert probability.sum() == pytest.approx(1.0, abs=1e-12)


def test_probabilities_are_those_of_all_ordered_draws():
    multiplicity, probability = resamplings(3)
    ordered = Counter(tuple(draw.count(run) for run in range(3)) for draw in product(range(3), repeat=3))
    assert {tuple(row): p for row, p in zip(multiplicity.tolist(), probability, strict=True)} == {
        draw: pytest.approx(times / 27) for draw, times in ordered.items()
    }


def test_many_runs_are_sampled_the_same_way_each_time():
    multiplicity, probability = resamplings(20)
    assert (multiplicity.sum(axis=1) == 20).all()
    assert len(multiplicity) == len(probability) == 10_000
    resamplings.cache_clear()
    assert (resamplings(20)[0] == multiplicity).all()


def test_a_draw_is_scored_as_if_its_runs_were_the_data():
    multiplicity, _ = resamplings(3)
    scores = resampled_scores(THREE.counts, CZII, sorted(THREE.counts), multiplicity)
    for row, value in zip(multiplicity, scores, strict=True):
        drawn = [THREE.counts[f"R{run}"] for run in range(3) for _ in range(row[run])]
        assert value == pytest.approx(score(pool(drawn), CZII).total, abs=1e-12)


def test_the_interval_holds_95_percent_of_all_ordered_draws():
    values = []
    for draw in product(range(3), repeat=3):
        values.append(score(pool(THREE.counts[f"R{run}"] for run in draw), CZII).total)
    interval = score_interval(THREE)
    inside = [interval.low - 1e-12 <= value <= interval.high + 1e-12 for value in values]
    assert np.mean(inside) >= 0.95
    assert interval.estimate == THREE.score.total
    assert interval.deviation == pytest.approx(np.std(values))
    assert interval.resamplings == 10


def test_equal_runs_leave_no_doubt():
    interval = score_interval(result(*[((5, 2, 1), (3, 0, 3))] * 7))
    assert interval.low == pytest.approx(interval.estimate)
    assert interval.high == pytest.approx(interval.estimate)
    assert interval.deviation == pytest.approx(0.0, abs=1e-12)


def test_differences_are_paired():
    # one more miss in each run: every draw is worse, though the scores' own intervals overlap
    worse = result(((4, 2, 2), (3, 0, 3)), ((6, 1, 1), (0, 4, 6)), ((0, 1, 2), (9, -1, 0)))
    interval = difference_interval(THREE, worse)
    assert interval.estimate == pytest.approx(THREE.score.total - worse.score.total)
    assert 0 <= interval.low <= interval.estimate <= interval.high
    assert score_interval(worse).high > score_interval(THREE).low
    same = difference_interval(THREE, THREE)
    assert (same.low, same.estimate, same.high) == (0.0, 0.0, 0.0)


def test_results_of_other_experiments_cannot_be_compared():
    with pytest.raises(ValueError, match="same experiments"):
        difference_interval(THREE, result(((5, 2, 1), (3, 0, 3))))


def test_without_runs_the_interval_is_the_estimate():
    interval = score_interval(result())
    assert (interval.low, interval.estimate, interval.high, interval.resamplings) == (0.0, 0.0, 0.0, 0)


def test_percentiles_weigh_values():
    values, probability = np.array([3.0, 1.0, 2.0]), np.array([0.5, 0.2, 0.3])
    assert [percentile(values, probability, f) for f in (0.0, 0.2, 0.21, 0.5, 0.51, 1.0)] == [1, 1, 2, 2, 3, 3]
