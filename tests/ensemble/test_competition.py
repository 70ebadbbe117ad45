"""Species that compete for a place: the formula, who is a rival, and what must never happen."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.competition import ALONE, CERTAIN, CONTENDER, CompetitionWeights, compete, fit_competition
from postproc.candidates import COLUMNS, concatenate, empty_candidates, in_order, make_candidates
from tomograms.particles import Particle

BALL = Particle("ball", 1, 10.0, 1.0)
ROD = Particle("rod", 2, 30.0, 0.0)  # not scored, but it competes
SHELL = Particle("shell", 3, 20.0, 2.0)
SPECIES = (BALL, ROD, SHELL)
SHARE = {particle.name: CompetitionWeights() for particle in SPECIES}


def one(species, x, score, experiment="TS"):
    return make_candidates(experiment, species, [[x, 0, 0]], [score], member="ensemble", model="mean")


def scores(*tables):
    result = compete(concatenate(list(tables)), SPECIES, SHARE)
    return {(row.experiment, row.particle_type, row.x): row.score for row in result.itertuples()}


def test_odds_share_one_place():
    result = scores(one("ball", 0, 0.5), one("rod", 0, 0.75), one("shell", 0, 0.2))
    # odds 1, 3 and 1/4
    assert result["TS", "ball", 0.0] == pytest.approx(1 / (1 + 1 + 3 + 0.25))
    assert result["TS", "rod", 0.0] == pytest.approx(3 / (1 + 1 + 3 + 0.25))
    assert result["TS", "shell", 0.0] == pytest.approx(0.25 / (1 + 1 + 3 + 0.25))


def test_only_the_likeliest_of_a_species_counts():
    result = scores(one("ball", 0, 0.5), one("rod", 1, 0.75), one("rod", -1, 0.5))
    assert result["TS", "ball", 0.0] == pytest.approx(1 / (1 + 1 + 3))


def test_place_is_the_mean_of_both_tolerances():
    # 0.5 x 10 and 0.5 x 30: their mean is 10 Å, included.
    assert scores(one("ball", 0, 0.5), one("rod", 10, 0.5))["TS", "ball", 0.0] == pytest.approx(1 / 3)
    assert scores(one("ball", 0, 0.5), one("rod", 10.01, 0.5))["TS", "ball", 0.0] == 0.5


def test_neither_own_species_nor_other_tomograms_compete():
    result = scores(one("ball", 0, 0.5), one("ball", 1, 0.9), one("rod", 0, 0.9, experiment="TS_2"))
    assert result == {("TS", "ball", 0.0): 0.5, ("TS", "ball", 1.0): 0.9, ("TS_2", "rod", 0.0): 0.9}


def test_faint_rivals_do_not_count_and_certain_ones_count_no_more_than_that():
    assert scores(one("ball", 0, 0.5), one("rod", 0, CONTENDER / 2))["TS", "ball", 0.0] == 0.5
    expected = 1 / (1 + 1 + CERTAIN / (1 - CERTAIN))
    assert scores(one("ball", 0, 0.5), one("rod", 0, 1.0))["TS", "ball", 0.0] == pytest.approx(expected)


def test_two_certain_species_at_one_place_both_stay():
    result = scores(one("ball", 0, 0.95), one("rod", 0, 0.95))
    assert min(result.values()) == pytest.approx(19 / (1 + 19 + 19))


ROWS = st.lists(
    st.tuples(
        st.sampled_from(("TS_1", "TS_2")),
        st.sampled_from(("ball", "rod", "shell", "stranger")),
        st.tuples(*[st.integers(0, 6)] * 3),
        st.sampled_from((0.0, 0.001, 0.05, 0.5, 0.9, 1.0)),
    ),
    max_size=30,
)


def table_of(rows):
    return concatenate(
        [make_candidates(e, s, [[5.0 * v for v in xyz]], [p], member="ensemble", model="mean") for e, s, xyz, p in rows]
    )


@settings(max_examples=30)
@given(ROWS)
def test_equals_the_definition_row_by_row(rows):
    table, particles = table_of(rows), {particle.name: particle for particle in SPECIES}
    expected = []
    for row in table.itertuples():
        against = {}
        for other in table.itertuples():
            if {row.particle_type, other.particle_type} <= set(particles) and row.particle_type != other.particle_type:
                reach = 0.25 * (particles[row.particle_type].radius + particles[other.particle_type].radius)
                close = np.linalg.norm([row.x - other.x, row.y - other.y, row.z - other.z]) <= reach
                if close and row.experiment == other.experiment and other.score >= CONTENDER:
                    p = min(other.score, CERTAIN)
                    against[other.particle_type] = max(against.get(other.particle_type, 0.0), p / (1 - p))
        own = min(row.score, 1 - 1e-10)
        odds = own / (1 - own)
        expected.append(odds / (1 + odds + sum(against.values())) if against else row.score)
    key = ["experiment", "particle_type", "z", "y", "x", "score"]
    found = compete(table, SPECIES, SHARE).sort_values(key, ignore_index=True)
    expected = table.assign(score=expected).sort_values(key, ignore_index=True)
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-9)
    assert found[COLUMNS[:5]].equals(expected[COLUMNS[:5]])


@settings(max_examples=20)
@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_and_species_changes_no_bit(rows, random):
    table = table_of(rows)
    order = list(range(len(table)))
    random.shuffle(order)
    other = compete(table.iloc[order].reset_index(drop=True), SPECIES, SHARE)
    pd.testing.assert_frame_equal(compete(table, SPECIES, SHARE), other, check_exact=True)
    pd.testing.assert_frame_equal(
        compete(table, SPECIES, SHARE), compete(table, SPECIES[::-1], SHARE), check_exact=False
    )


def test_nothing_in_nothing_out():
    result = compete(empty_candidates(), SPECIES, SHARE)
    assert list(result.columns) == COLUMNS and len(result) == 0


def test_contest_is_the_stated_formula():
    table = concatenate([one("ball", 0, 0.5), one("rod", 0, 0.75), one("shell", 500, 0.9)])
    contests = {
        **SHARE,
        "ball": CompetitionWeights(own=2.0, rivals=0.5, intercept=-1.0),
        "shell": CompetitionWeights(own=2.0),
    }
    result = compete(table, SPECIES, contests).set_index("particle_type")["score"]
    value = 2.0 * np.log(1.0) - 0.5 * np.log(1 + 3) - 1.0
    assert result["ball"] == pytest.approx(1 / (1 + np.exp(-value)))
    assert result["rod"] == pytest.approx(3 / (1 + 3 + 1))
    assert result["shell"] == pytest.approx(81 / 82)  # alone at its place: its own odds, squared


def crowd(confused, count=60):
    """Truth, and balls that each have a rod beside them: false where ``confused``, else as often right as not."""
    truth, found = [], []
    for i in range(count):
        x = 200.0 * i
        found += [one("ball", x, 0.5), one("ball", x + 100, 0.5)]  # the second one is alone
        true = i % 2 == 0 and not confused
        found += [one("rod", x, 0.6)]
        truth += [one("ball", x, 1.0)] if true else []
        truth += [one("ball", x + 100, 1.0)] if i % 2 == 0 else []
    return concatenate(truth), concatenate(found)


def test_rivals_that_are_always_right_count_more_than_those_that_say_nothing():
    learned = {confused: fit_competition(*crowd(confused), SPECIES)["ball"] for confused in (False, True)}
    assert learned[False].rivals < 0.3 < 1.0 < learned[True].rivals


def test_where_nothing_was_learned_each_species_keeps_to_itself():
    truth, found = crowd(confused=True)
    contests = fit_competition(truth, found, SPECIES)
    assert contests["shell"] == CompetitionWeights(*ALONE)
    nothing = fit_competition(truth.iloc[:0], found, SPECIES)
    assert nothing == {particle.name: CompetitionWeights(*ALONE) for particle in SPECIES}
    pd.testing.assert_frame_equal(compete(found, SPECIES, nothing), in_order(found))


@pytest.mark.parametrize("confused", [False, True])
def test_contests_do_not_depend_on_the_order_of_species(confused):
    truth, found = crowd(confused)
    assert fit_competition(truth, found, SPECIES) == fit_competition(truth, found, SPECIES[::-1])
