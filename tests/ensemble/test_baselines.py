"""Simpler fusions, each against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.baselines import Rank, suppress_near
from postproc.candidates import concatenate, empty_candidates, make_candidates
from tomograms.particles import Particle

BALL = Particle("ball", 1, 10.0, 1.0)
MEMBERS = ("a", "b")


@settings(max_examples=40)
@given(st.lists(st.tuples(st.tuples(*[st.integers(0, 6)] * 3), st.sampled_from((0.1, 0.5, 0.9))), max_size=40))
def test_suppression_equals_the_sequence(rows):
    table = make_candidates(
        "TS", "ball", [[2.0 * v for v in xyz] for xyz, _ in rows], [s for _, s in rows], member="a", model="m"
    )
    kept = []
    for row in table[["x", "y", "z"]].to_numpy():
        if all(np.linalg.norm(row - other) > 5.0 for other in kept):
            kept.append(row)
    found = suppress_near(table, [BALL], MEMBERS)
    np.testing.assert_array_equal(found[["x", "y", "z"]].to_numpy(), np.array(kept).reshape(-1, 3))


def test_suppression_is_per_species_and_experiment():
    rod = Particle("rod", 2, 10.0, 1.0)
    tables = [
        make_candidates(experiment, species, [[0, 0, 0]], [score], member=member, model="m")
        for experiment, species, score, member in (
            ("TS_1", "ball", 0.9, "a"),
            ("TS_1", "ball", 0.8, "b"),
            ("TS_1", "rod", 0.7, "a"),
            ("TS_2", "ball", 0.6, "b"),
        )
    ]
    assert sorted(suppress_near(concatenate(tables), [BALL, rod], MEMBERS)["score"]) == [0.6, 0.7, 0.9]
    assert len(suppress_near(empty_candidates(), [BALL], MEMBERS)) == 0


def test_rank_is_the_share_of_scores_that_are_not_higher():
    rank = Rank(np.array([0.1, 0.2, 0.2, 0.9]))
    assert rank(np.array([0.0, 0.1, 0.2, 0.5, 2.0])).tolist() == pytest.approx([0, 1 / 4, 3 / 4, 3 / 4, 1])
    assert Rank(np.empty(0))(np.array([0.3])).tolist() == [0.0]
