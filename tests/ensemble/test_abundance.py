"""What a species' frequency in a tomogram makes of probabilities."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.abundance import DOUBT, SEEN, Abundance, fit_abundance, load_abundance, log_share
from ensemble.cutting import SURE
from postproc.candidates import in_order, make_candidates
from tests.ensemble.synthetic import PAIR
from tomograms.errors import InputError
from tomograms.picks import join_truth, make_truth

EASY, HARD = PAIR


def fused(experiment, name, score, position=None):
    """Return one species' fused candidates in one tomogram, 500 Å apart along x where no place is given."""
    score = np.asarray(score, float)
    position = np.c_[500.0 * np.arange(len(score)), np.zeros((len(score), 2))] if position is None else position
    return make_candidates(experiment, name, position, score, member="ensemble", model="mean")


def table(*parts):
    return in_order(pd.concat(parts, ignore_index=True))


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_the_share_is_that_of_the_others(scores):
    one = fused("TS_1", "easy", scores)
    expected = []
    for own in range(len(one)):
        others = np.delete(one["score"].to_numpy(float), own)
        expected.append(np.log((others.sum() + DOUBT * SURE) / ((others >= SEEN).sum() + DOUBT)))
    np.testing.assert_allclose(log_share(one), expected, rtol=1e-6)


def test_species_and_tomograms_are_counted_apart():
    parts = [fused("TS_1", "easy", [0.9, 0.5]), fused("TS_1", "hard", [0.4]), fused("TS_2", "easy", [0.1, 0.02])]
    whole = table(*parts)
    share = pd.Series(log_share(whole), index=whole.index)
    for part in parts:
        own = (whole["experiment"] == part["experiment"].iloc[0]) & (
            whole["particle_type"] == part["particle_type"].iloc[0]
        )
        np.testing.assert_allclose(share[own], log_share(in_order(part)))


def test_a_candidate_among_hits_gains_and_a_lone_one_loses():
    abundance = Abundance(1.0, 1.0, {"easy": 1.0, "hard": 1.0})
    many = abundance(fused("TS_1", "easy", [0.9] * 20 + [0.3])).set_index("x")["score"]
    lone = abundance(fused("TS_1", "easy", [0.3] + [0.01] * 20)).set_index("x")["score"]
    assert many[10000.0] > 0.3 > lone[0.0]


def test_without_exponent_nothing_changes_and_nothing_stays_nothing():
    whole = table(fused("TS_1", "easy", [0.9, 0.5, 0.01]), fused("TS_1", "hard", [0.7, 0.2]))
    pd.testing.assert_frame_equal(Abundance(1.0, 0.0, {"easy": 0.0, "hard": 0.0})(whole), whole, atol=1e-9)
    assert not len(Abundance(1.0, 1.0, {"easy": 0.0})(whole[:0]))


def mixture(seed, tomograms=40):
    """Return truth and candidates with the probabilities that hold over all tomograms, half of which hold no hit.

    A candidate's score is normal with mean 2 for hits and 0 for others. Where the species is, a third are hits.
    """
    rng = np.random.default_rng(seed)
    truths, parts = [], []
    for number in range(tomograms):
        for particle in PAIR:
            hit = rng.random(30) < (1 / 3 if rng.random() < 0.5 else 0.0)
            likelihood = 2 * (rng.normal(size=30) + 2 * hit) - 2  # log of the ratio of both densities
            score = 1 / (1 + np.exp(-(likelihood + np.log(0.2))))  # a sixth of all are hits
            one = fused(f"TS_{number}", particle.name, score)
            parts.append(one)
            truths.append(make_truth(f"TS_{number}", particle.name, one[["x", "y", "z"]].to_numpy(float)[hit]))
    return join_truth(truths), table(*parts)


def loss(truth, scored):
    """Return the log loss of probabilities; places of truth are those of candidates."""
    key = ["experiment", "particle_type", "x"]
    hit = scored.merge(truth[key].assign(hit=1.0), on=key, how="left")["hit"].fillna(0.0).to_numpy()
    p = np.clip(scored["score"].to_numpy(float), 1e-9, 1 - 1e-9)
    return -float((hit * np.log(p) + (1 - hit) * np.log(1 - p)).mean())


def test_it_learns_that_a_species_is_there_or_is_not():
    truth, known = mixture(1)
    abundance = fit_abundance(truth, known, PAIR)
    assert abundance.exponent > 0.5
    unseen, scored = mixture(2)
    assert loss(unseen, abundance(scored)) < 0.95 * loss(unseen, scored)


def test_it_changes_little_where_all_tomograms_are_alike():
    rng = np.random.default_rng(3)
    truths, parts = [], []
    for number in range(20):
        score = rng.random(40)
        one = fused(f"TS_{number}", "easy", score)
        hit = rng.random(40) < one["score"].to_numpy(float)
        parts.append(one)
        truths.append(make_truth(f"TS_{number}", "easy", one[["x", "y", "z"]].to_numpy(float)[hit]))
    whole = table(*parts)
    changed = fit_abundance(join_truth(truths), whole, [EASY])(whole)
    both = whole.merge(changed, on=["experiment", "x"])
    assert (both["score_x"] - both["score_y"]).abs().max() < 0.1


@pytest.mark.parametrize("found", [True, False])
def test_without_hits_or_without_misses_nothing_is_learned(found):
    one = fused("TS_1", "easy", [0.9, 0.5])
    places = one[["x", "y", "z"]].to_numpy(float) if found else np.full((1, 3), 9000.0)
    truth = join_truth([make_truth("TS_1", "easy", places)])
    assert fit_abundance(truth, one, PAIR) == Abundance(1.0, 0.0, {"easy": 0.0, "hard": 0.0})


def test_records_are_read_back_exactly(tmp_path):
    abundance = Abundance(0.93, 1.37, {"easy": 0.25, "hard": -1.5})
    path = tmp_path / "ensemble.json"
    path.write_text(json.dumps({"abundance": abundance.to_record()}))
    assert load_abundance(path) == abundance
    path.write_text("{}")
    assert load_abundance(path) is None
    path.write_text('{"abundance": {"exponent": "much"}}')
    with pytest.raises(InputError, match=r"ensemble.json: expected abundance as submissions.calibrate writes it"):
        load_abundance(path)
