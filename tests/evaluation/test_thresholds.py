import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.counts import count, pool
from evaluation.thresholds import apply_thresholds, best_threshold, fit_thresholds, from_record, sweep, to_record
from tests.evaluation.reference import random_rows, reference_counts, reference_f, table
from tomograms.errors import InputError
from tomograms.particles import CZII

APO = CZII[0]


def scored(rows):
    return table(rows, scored=True)


def apo(*pairs):
    """Candidates (x, score) of one species in experiment A."""
    return scored([("A", APO.name, x, 0, 0, score) for x, score in pairs])


TRUTH = table([("A", APO.name, x, 0, 0) for x in (0, 500, 1000)])


def test_the_sweep_is_exact_at_every_distinct_score():
    rng = np.random.default_rng(5)
    for _ in range(150):
        truth, candidates = random_rows(rng, CZII[:3], experiments=("A", "B", "C"), most=8)
        for particle in CZII[:3]:
            curve = sweep(table(truth), scored(candidates), particle)
            inside = {row[0] for row in truth}
            own = {row[5] for row in candidates if row[0] in inside and row[1] == particle.name}
            assert curve.threshold.tolist() == sorted(own, reverse=True)
            for index, threshold in enumerate(curve.threshold):
                kept = [row for row in candidates if row[5] >= threshold]
                expected = reference_counts(truth, kept, particle)
                assert (curve.tp[index], curve.fp[index], curve.fn[index]) == expected
                assert curve.f_beta[index] == pytest.approx(reference_f(*expected), abs=1e-12)


def test_the_best_threshold_is_the_best_and_keeps_what_the_curve_says():
    rng = np.random.default_rng(6)
    for _ in range(150):
        rows, candidate_rows = random_rows(rng, CZII[:2], experiments=("A", "B"), most=8)
        truth, candidates = table(rows), scored(candidate_rows)
        thresholds = fit_thresholds(truth, candidates, CZII[:2])
        if not rows:
            continue
        counts = pool(count(truth, apply_thresholds(candidates, thresholds), CZII[:2]))
        for particle in CZII[:2]:
            curve = sweep(truth, candidates, particle)
            assert best_threshold(curve) == thresholds[particle.name]
            best = max(curve.f_beta, default=0.0)
            assert counts[particle.name].f_beta == pytest.approx(best, abs=1e-12)


def test_the_threshold_lies_halfway_to_the_next_lower_score():
    curve = sweep(TRUTH, apo((0, 0.9), (500, 0.7), (1000, 0.5), (4000, 0.4), (5000, 0.1)), APO)
    assert best_threshold(curve) == pytest.approx((0.5 + 0.4) / 2)


def test_without_a_lower_score_the_threshold_is_the_lowest_kept_score():
    assert best_threshold(sweep(TRUTH, apo((0, 0.9), (500, 0.7)), APO)) == 0.7


def test_neighbouring_floats_stay_apart():
    low = 0.5
    high = math.nextafter(low, 1)
    candidates = apo((0, high), (4000, low))
    threshold = best_threshold(sweep(TRUTH, candidates, APO))
    assert threshold == high
    assert len(apply_thresholds(candidates, {APO.name: threshold})) == 1


def test_of_equal_f_the_lower_threshold_wins():
    # 1 hit of 3: 17 / (1 + 48) = 17/49; 34 of 98 is the same: 2 hits of 3 with 50 predictions, 34 / (50 + 48)
    misses = [(4000 + 100 * index, 0.6) for index in range(48)]
    candidates = apo((0, 0.9), *misses, (500, 0.5), (9000, 0.1))
    curve = sweep(TRUTH, candidates, APO)
    assert curve.f_beta[0] == pytest.approx(17 / 49)
    assert curve.f_beta[2] == pytest.approx(34 / 98)
    assert best_threshold(curve) == pytest.approx((0.5 + 0.1) / 2)


def test_equal_scores_enter_together():
    curve = sweep(TRUTH, apo((0, 0.5), (4000, 0.5), (500, 0.5)), APO)
    assert (curve.threshold.tolist(), curve.tp.tolist(), curve.fp.tolist()) == ([0.5], [2], [1])


def test_one_candidate_on_two_true_particles_hits_both_at_once():
    truth = table([("A", APO.name, 0, 0, 0), ("A", APO.name, 29.5, 0, 0)])
    curve = sweep(truth, apo((15, 0.5), (15, 0.3)), APO)
    assert (curve.tp.tolist(), curve.fp.tolist(), curve.fn.tolist()) == ([2, 2], [-1, 0], [0, 0])


def test_without_candidates_nothing_is_kept():
    curve = sweep(TRUTH, apo(), APO)
    assert len(curve.threshold) == len(curve.f_beta) == 0
    assert best_threshold(curve) == math.inf
    assert curve.average_precision == 0.0


def test_without_truth_of_a_species_its_candidates_are_false_positives():
    curve = sweep(table([("A", "ribosome", 0, 0, 0)]), apo((0, 0.5)), APO)
    assert (curve.tp.tolist(), curve.fp.tolist(), curve.fn.tolist()) == ([0], [1], [0])
    assert curve.f_beta.tolist() == [0.0]


def test_a_score_that_is_not_a_number_is_refused():
    with pytest.raises(InputError, match="score that is a number"):
        sweep(TRUTH, apo((0, math.nan)), APO)


def test_thresholds_apply_by_species_and_drop_the_unnamed():
    rows = [("A", "ribosome", 0, 0, 0, 0.5), ("A", APO.name, 0, 0, 0, 0.5), ("A", "beta-amylase", 0, 0, 0, math.inf)]
    kept = apply_thresholds(scored(rows), {"ribosome": 0.5, APO.name: math.inf})
    assert kept["particle_type"].tolist() == ["ribosome"]
    assert kept.index.tolist() == [0]
    assert apply_thresholds(scored([]), {}).columns.tolist() == scored([]).columns.tolist()


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from([p.name for p in CZII]), st.floats(allow_nan=False, allow_infinity=False) | st.just(math.inf)
    )
)
def test_thresholds_survive_json_exactly(thresholds):
    text = json.dumps(to_record(thresholds), allow_nan=False)
    assert from_record(json.loads(text)) == thresholds


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_and_any_rising_function_of_the_score_change_nothing(seed):
    rng = np.random.default_rng(seed)
    rows, candidate_rows = random_rows(rng, CZII[:2], experiments=("A", "B"), most=8)
    truth, candidates = table(rows), scored(candidate_rows)
    shuffled = candidates.iloc[rng.permutation(len(candidates))]
    risen = shuffled.assign(score=2.0 * shuffled["score"])
    for particle in CZII[:2]:
        curve = sweep(truth, candidates, particle)
        other = sweep(truth.iloc[::-1], risen, particle)
        assert (2.0 * curve.threshold).tolist() == other.threshold.tolist()
        assert (curve.tp.tolist(), curve.fp.tolist()) == (other.tp.tolist(), other.fp.tolist())
