"""Each tomogram's own cut, against brute force."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.cut_tuning import FACTORS, WORTH, fit_cut
from ensemble.cutting import SURE, TRUST, Cut, expected_cut, keep, relative, tomogram_cut
from evaluation.counts import count, pool
from tests.ensemble.synthetic import PAIR, Quality, make_data

EASY, HARD = PAIR
probabilities = st.lists(st.floats(0.0, 1.0).map(lambda p: round(p, 6)), min_size=1, max_size=30)


def expected(p, kept):
    """Return 17 tp / (16 true + kept), the counts being what is expected of independent candidates."""
    return 17 * sum(p[i] for i in kept) / (16 * sum(p) + len(kept))


@given(probabilities)
def test_nothing_above_or_below_the_cut_is_expected_to_score_more(values):
    if not any(values):
        assert expected_cut(np.array(values)) == SURE
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
    assert expected_cut(np.array([])) == SURE == pytest.approx(1 / 17)


def table(rows):
    return pd.DataFrame(rows, columns=["experiment", "particle_type", "score"])


def test_a_tomograms_cut_lies_between_its_own_and_the_common_one():
    alone, common = np.array([0.9, 0.5, 0.2]), 0.02
    own = expected_cut(alone)
    assert common < tomogram_cut(alone, common) < own
    assert tomogram_cut(np.array([]), common) == pytest.approx(common)
    assert tomogram_cut(np.full(4, 1e-9), common) == pytest.approx(common, rel=1e-6)
    as_many = np.tile(np.array([0.5]), int(2 * TRUST))  # TRUST particles are expected of them
    assert tomogram_cut(as_many, common) == pytest.approx(np.sqrt(common * expected_cut(as_many)))


def test_each_tomogram_has_its_own_cut():
    rows = table([("a", "x", 0.9), ("a", "x", 0.03)] + [("b", "x", 0.3), ("b", "x", 0.03)] * 40 + [("b", "y", 0.05)])
    reached = relative(rows, {"x": 0.03, "y": 0.03})
    cut = {
        run: tomogram_cut(rows.score[(rows.experiment == run) & (rows.particle_type == "x")].to_numpy(), 0.03)
        for run in "ab"
    }
    assert 0.03 < cut["a"] < cut["b"]  # one particle moves it less than thirteen
    for row, value in zip(rows.itertuples(), reached, strict=True):
        if row.particle_type == "x":
            assert value == pytest.approx(row.score / cut[row.experiment])
    kept = keep(rows, {"x": Cut(0.03, 1.0)})
    assert set(kept["particle_type"]) == {"x"}
    assert len(kept) == sum(row.score >= cut[row.experiment] for row in rows.itertuples() if row.particle_type == "x")
    assert keep(rows.iloc[:0], {"x": Cut(0.03, 1.0)}).empty


@given(probabilities, st.sampled_from(FACTORS), st.sampled_from(FACTORS))
def test_a_lower_factor_keeps_more(values, one, other):
    rows = table([("a", "x", value) for value in values])
    few, many = (len(keep(rows, {"x": Cut(0.02, factor)})) for factor in (max(one, other), min(one, other)))
    assert few <= many


@pytest.mark.parametrize("particle", PAIR, ids=lambda particle: particle.name)
def test_the_factor_against_brute_force(particle):
    """Each run is cut with what the other runs have in common, and counts are pooled."""
    truth, rows = make_data({"m": Quality({"easy": 3.0, "hard": 1.5})}, seed=3)
    rows = rows.assign(score=1 / (1 + np.exp(-rows["score"])) * 0.3)  # no calibrated probabilities
    rows = rows[rows["particle_type"] == particle.name].reset_index(drop=True)
    true = int((truth["particle_type"] == particle.name).sum())
    values = []
    for factor in FACTORS:
        kept = [
            keep(own, {particle.name: Cut(expected_cut(rows.score[rows.experiment != run].to_numpy()), factor)})
            for run, own in rows.groupby("experiment")
        ]
        counts = pool(count(truth, pd.concat(kept), PAIR))[particle.name]
        values.append(counts.f_beta - WORTH * np.log(factor) ** 2 / true)
    fitted, study = fit_cut(truth, rows, particle)
    assert study is not None and study.best_value == pytest.approx(max(values), abs=1e-9)
    assert [trial.params["factor"] for trial in study.trials] == list(FACTORS)
    assert values[FACTORS.index(fitted.factor)] == pytest.approx(max(values), abs=1e-9)
    assert fitted.common == expected_cut(rows["score"].to_numpy())


def test_without_truth_or_candidates_the_factor_is_1():
    truth, rows = make_data({"m": Quality({"easy": 3.0, "hard": 1.5})}, seed=3)
    rows = rows.assign(score=0.5)
    assert fit_cut(truth[truth["particle_type"] == "easy"], rows, HARD)[0].factor == 1.0
    assert fit_cut(truth, rows[rows["particle_type"] == "hard"], EASY) == (Cut(SURE, 1.0), None)
