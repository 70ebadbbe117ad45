import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from postproc.candidates import concatenate, make_candidates
from submissions.prediction.score_matching import match_ranks, match_scores

SCORES = st.lists(st.integers(0, 30).map(lambda n: n / 30), max_size=25)


def test_the_kth_best_gets_the_middle_of_the_kth_block_of_pooled_scores():
    # Three models; sorted pooled scores in blocks of three: (.9 .8 .7) (.6 .5 .4) (.3 .2).
    reference = [0.9, 0.6, 0.3, 0.8, 0.5, 0.7, 0.4, 0.2]
    # The third averaged score lies at place 7 of 0 ... 7: the last one.
    assert match_ranks([0.05, 0.11, 0.10], reference, 3).tolist() == [0.2, 0.8, 0.5]


def test_an_even_number_of_models_interpolates():
    assert match_ranks([0.7], [0.8, 0.4], 2).tolist() == [(0.8 + 0.4) / 2]


def test_past_the_pooled_scores_a_score_stays_below_the_lowest():
    matched = match_ranks([0.9, 0.8, 0.05], [0.6, 0.5], 1)
    assert matched.tolist() == [0.6, 0.5, 0.05]
    assert match_ranks([0.9, 0.8, 0.7], [0.6, 0.5], 1).tolist() == [0.6, 0.5, 0.5]


def test_without_single_scores_nothing_changes():
    assert match_ranks([0.3, 0.1], [], 7).tolist() == [0.3, 0.1]
    assert match_ranks([], [0.3], 7).shape == (0,)


@given(own=SCORES, n_models=st.integers(1, 7))
@settings(deadline=None, max_examples=80)
def test_identity_when_all_models_agree(own, n_models):
    assert match_ranks(own, own * n_models, n_models).tolist() == own


@given(own=SCORES, reference=SCORES, n_models=st.integers(1, 7))
@settings(deadline=None, max_examples=80)
def test_monotone_and_ties_stay_ties(own, reference, n_models):
    matched = match_ranks(own, reference, n_models)
    order = np.argsort(own, kind="stable")
    assert np.all(np.diff(matched[order]) >= 0)
    for score in set(own):
        assert len(set(matched[np.asarray(own) == score])) == 1
    if reference and own:
        assert matched.max() <= max(reference)


@given(own=SCORES, reference=SCORES, n_models=st.integers(1, 7), random=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_any_order_of_the_inputs_gives_the_same_scores(own, reference, n_models, random):
    order = list(range(len(own)))
    random.shuffle(order)
    shuffled = random.sample(reference, len(reference))
    matched = match_ranks(own, reference, n_models)
    again = match_ranks([own[i] for i in order], shuffled, n_models)
    assert again.tolist() == [matched[i] for i in order]


@given(reference=st.lists(st.floats(0.01, 1), min_size=21, max_size=60, unique=True), threshold=st.floats(0, 1))
@settings(deadline=None, max_examples=50)
def test_a_threshold_keeps_as_many_as_a_single_model_keeps_on_average(reference, threshold):
    n_models = 3
    own = np.linspace(0.9, 0.1, len(reference) // n_models)
    kept = np.sum(match_ranks(own, reference, n_models) >= threshold)
    mean_of_single_models = np.sum(np.asarray(reference) >= threshold) / n_models
    assert abs(kept - mean_of_single_models) <= 1


def rows(experiment, particle_type, scores, model):
    position = np.arange(3 * len(scores)).reshape(-1, 3)
    return make_candidates(experiment, particle_type, position, scores, member="m", model=model)


def test_tomograms_and_species_are_matched_apart():
    averaged = concatenate(
        [rows("a", "p", [0.5], "mean"), rows("a", "q", [0.5], "mean"), rows("b", "p", [0.5], "mean")]
    )
    singles = concatenate([rows("a", "p", [0.9], "1"), rows("a", "q", [0.8], "1"), rows("b", "p", [0.7], "1")])
    matched = match_scores(averaged, singles, 1)
    assert matched["score"].tolist() == [0.9, 0.8, 0.7]
    others = [column for column in averaged if column != "score"]
    pd.testing.assert_frame_equal(matched[others], averaged[others])


def test_no_candidates_stay_no_candidates():
    none = rows("a", "p", [], "mean")
    assert list(match_scores(none, rows("a", "p", [0.9], "1"), 1).columns) == list(none.columns)
    assert match_scores(none, none, 7).empty
