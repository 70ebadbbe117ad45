import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.fitting import fit_ensemble
from ensemble.labels import missing_probability, picked_share, review_labels
from evaluation.counts import f_beta
from evaluation.matching import DISTANCE, pairs_within, positions
from postproc.candidates import concatenate
from tests.ensemble.synthetic import BOX, PAIR, Quality, folds_of, make_data
from tomograms.picks import make_truth

MEMBERS = {name: Quality({"easy": 5.0, "hard": 4.0}) for name in ("a", "b")}
MISSED = {"easy": 0.1, "hard": 0.3}


def worn(truth, seed):
    """Return picks as somebody leaves them: some missing, some where nothing is; and the particles without a pick."""
    rng = np.random.default_rng(seed)
    lost = rng.uniform(size=len(truth)) < truth["particle_type"].map(MISSED)
    runs = sorted(truth["experiment"].unique())
    wrong = [make_truth(run, "hard", rng.uniform(0, BOX, (1, 3))) for run in runs]
    return pd.concat([truth[~lost], *wrong], ignore_index=True), truth[lost], pd.concat(wrong, ignore_index=True)


def out_of_fold(picks, candidates):
    parts = []
    for fold in folds_of(sorted(picks["experiment"].unique())):
        own = candidates["experiment"].isin(fold.held_out)
        others = picks[picks["experiment"].isin(fold.train)]
        members = sorted(candidates["member"].unique())
        fitted = fit_ensemble(others, candidates[~own], particles=PAIR, members=members, tuning=None)
        parts.append(fitted.apply(candidates[own]))
    return concatenate(parts)


def near(a, b, particle):
    """Return which rows have one of the others within the metric's reach."""
    runs = {name: number for number, name in enumerate(sorted({*a["experiment"], *b["experiment"]}))}
    where = [table["experiment"].map(runs).to_numpy(np.int64) for table in (a, b)]
    reach = np.full(len(runs), DISTANCE * particle.radius)
    found = np.zeros(len(a), bool)
    found[pairs_within(positions(a), where[0], positions(b), where[1], reach=reach)[0]] = True
    return found


@pytest.fixture(scope="module")
def reviewed():
    truth, candidates = make_data(MEMBERS, seed=3)
    picks, lost, wrong = worn(truth, seed=4)
    return truth, picks, lost, wrong, review_labels(picks, out_of_fold(picks, candidates), PAIR)


def test_what_was_left_out_is_listed_and_probabilities_are_shares(reviewed):
    truth, _, lost, _, reviews = reviewed
    for particle, own in zip(PAIR, reviews, strict=True):
        true, gone = (table[table["particle_type"] == particle.name] for table in (truth, lost))
        assert -0.05 <= own.picked - (1 - MISSED[particle.name]) <= 0.12  # rather too high: fewer are then listed
        right = near(own.missing, true, particle)
        assert right.mean() >= 0.9
        assert near(gone, own.missing, particle).mean() >= 0.65
        assert 0.6 * right.sum() <= own.missing["probability"].sum() <= 1.2 * right.sum()
        assert own.missing["probability"].is_monotonic_decreasing


def test_picks_where_nothing_is_are_doubtful(reviewed):
    _, _, _, wrong, reviews = reviewed
    listed = reviews[1].doubtful
    assert len(listed.merge(wrong)) == len(wrong)
    assert len(listed) <= len(wrong) + 4
    assert len(reviews[0].doubtful) <= 4


def test_swapped_names_are_seen():
    truth, candidates = make_data(MEMBERS, seed=5)
    swapped = truth.groupby(["experiment", "particle_type"]).head(1).index
    other = {"easy": "hard", "hard": "easy"}
    picks = truth.copy()
    picks.loc[swapped, "particle_type"] = picks.loc[swapped, "particle_type"].map(other)
    for own in review_labels(picks, out_of_fold(picks, candidates), PAIR):
        named = own.doubtful[own.doubtful["instead"] == other[own.particle_type]]
        assert len(named.merge(picks.loc[swapped])) >= 0.8 * 7


def test_a_perfect_finder_is_scored_against_what_is_picked(reviewed):
    _, _, _, _, reviews = reviewed
    own = reviews[1]
    right = own.picks - len(own.doubtful)
    assert own.most == pytest.approx(float(f_beta(right, right / own.picked, own.picks)))
    assert own.most < 1


def test_no_picks_and_no_candidates():
    truth, candidates = make_data(MEMBERS, seed=6)
    fused = out_of_fold(truth, candidates)
    for own in review_labels(truth[:0], fused, PAIR):
        assert (own.picks, own.most, len(own.doubtful)) == (0, 0.0, 0)
    for own in review_labels(truth, fused[:0], PAIR):
        assert (own.picked, len(own.missing), len(own.doubtful)) == (0.9, 0, own.picks)


def test_a_network_that_tells_nothing_lists_little():
    truth, candidates = make_data({"a": Quality({"easy": 0.0, "hard": 0.0})}, seed=7)
    picks, _, _ = worn(truth, seed=8)
    for own in review_labels(picks, out_of_fold(picks, candidates), PAIR):
        assert own.missing["probability"].sum() < 0.1 * own.picks


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 40))
def test_shares_lie_between_0_and_1(hits, picks):
    assert 0 < picked_share(np.array(hits, bool), picks) <= 1


@given(st.floats(0, 1), st.floats(0.05, 1))
def test_bayes(probability, picked):
    """Among candidates of this probability, picked ones and missed ones are as many as the share says."""
    lost = float(missing_probability(np.array([probability]), picked)[0])
    particles = min(probability / picked, 1.0)
    if probability < 1:
        assert lost == pytest.approx(
            (particles - probability) / (1 - probability) if particles < 1 else 1.0, abs=1e-9
        ) or (particles == 1.0)
    assert 0 <= lost <= 1
