"""Each tomogram's own cut, against brute force."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.cutting import FACTORS, WORTH, expected_cut, fit_factor, keep, relative
from evaluation.counts import count, pool
from tests.ensemble.synthetic import PAIR, Quality, make_data

EASY, HARD = PAIR
probabilities = st.lists(st.floats(0.0, 1.0).map(lambda p: round(p, 6)), min_size=1, max_size=30)


def expected(p, kept):
    """Return 17 tp / (16 true + kept), the counts being what is expected of independent candidates."""
    return 17 * sum(p[i] for i in kept) / (16 * sum(p) + len(kept))


@given(probabilities)
@settings(deadline=None)
def test_nothing_above_or_below_the_cut_is_expected_to_score_more(values):
    if not any(values):
        assert expected_cut(np.array(values)) == np.inf
        return
    cut = expected_cut(np.array(values))
    kept = [i for i, value in enumerate(values) if value >= cut * (1 - 1e-12)]
    best = expected(values, kept)
    assert best / 17 == pytest.approx(cut, rel=1e-9)
    order = sorted(range(len(values)), key=lambda i: -values[i])
    for count_kept in range(1, len(values) + 1):
        assert expected(values, order[:count_kept]) <= best + 1e-12


def test_by_hand():
    assert expected_cut(np.array([1.0, 1.0])) == pytest.approx(1 / 17)
    assert expected_cut(np.array([0.5])) == pytest.approx(17 * 0.5 / (16 * 0.5 + 1) / 17)
    assert expected_cut(np.array([])) == np.inf


def table(rows):
    return pd.DataFrame(rows, columns=["experiment", "particle_type", "score"])


def test_each_tomogram_has_its_own_cut():
    rows = table([("a", "x", 1.0), ("a", "x", 0.05), ("b", "x", 0.2), ("b", "x", 0.05), ("b", "y", 0.05)])
    assert relative(rows)[:2].tolist() == pytest.approx([17.0, 0.85], rel=0.06)
    kept = keep(rows, {"x": 1.0})
    assert kept[["experiment", "score"]].to_numpy().tolist() == [["a", 1.0], ["b", 0.2], ["b", 0.05]]
    assert keep(rows, {"x": 1.0, "y": 1.0})["particle_type"].tolist()[-1] == "y"
    assert keep(rows.iloc[:0], {"x": 1.0}).empty


@given(probabilities, st.sampled_from(FACTORS), st.sampled_from(FACTORS))
@settings(deadline=None)
def test_a_lower_factor_keeps_more(values, one, other):
    rows = table([("a", "x", value) for value in values])
    few, many = (len(keep(rows, {"x": factor})) for factor in (max(one, other), min(one, other)))
    assert few <= many


@pytest.mark.parametrize("particle", PAIR, ids=lambda particle: particle.name)
def test_the_factor_against_brute_force(particle):
    truth, rows = make_data({"m": Quality({"easy": 3.0, "hard": 1.5})}, seed=3)
    rows = rows.assign(score=1 / (1 + np.exp(-rows["score"])) * 0.3)  # no calibrated probabilities
    true = int((truth["particle_type"] == particle.name).sum())
    values = []
    for factor in FACTORS:
        counts = pool(count(truth, keep(rows, {particle.name: factor}), PAIR))[particle.name]
        values.append(counts.f_beta - WORTH * np.log(factor) ** 2 / true)
    assert values[FACTORS.index(fit_factor(truth, rows, particle))] == pytest.approx(max(values), abs=1e-9)


def test_without_truth_or_candidates_the_factor_is_1():
    truth, rows = make_data({"m": Quality({"easy": 3.0, "hard": 1.5})}, seed=3)
    rows = rows.assign(score=0.5)
    assert fit_factor(truth[truth["particle_type"] == "easy"], rows, HARD) == 1.0
    assert fit_factor(truth, rows[rows["particle_type"] == "hard"], EASY) == 1.0
