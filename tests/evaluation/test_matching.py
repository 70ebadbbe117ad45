import numpy as np
import pytest

from evaluation.matching import match, pairs_within
from tests.evaluation.reference import table
from tomograms.particles import CZII


@pytest.mark.parametrize("shift", [0.0, 1e6, -1e9])  # far from the origin rounding must lose no pair
def test_pairs_are_those_of_a_double_loop(shift):
    rng = np.random.default_rng(3)
    a, b = (rng.integers(0, 60, (80, 3)).astype(float) + shift for _ in range(2))
    group_a, group_b = rng.integers(0, 4, (2, 80))
    reach = np.array([5.0, 10.0, 13.0, 30.0])
    expected = [
        (i, j)
        for i in range(80)
        for j in range(80)
        if group_a[i] == group_b[j] and ((a[i] - b[j]) ** 2).sum() <= reach[group_a[i]] ** 2
    ]
    found = pairs_within(a, group_a, b, group_b, reach=reach)
    assert list(zip(*(index.tolist() for index in found), strict=True)) == expected
    assert len(expected) > 100


def test_many_points_in_one_place():
    a, b = np.zeros((300, 3)), np.zeros((200, 3))
    i, j = pairs_within(a, np.zeros(300, int), b, np.zeros(200, int), reach=np.array([1.0]))
    assert len(i) == len(j) == 300 * 200


def test_the_experiments_that_count_can_be_named():
    truth = table([("A", "ribosome", 0, 0, 0)])
    predictions = table([("B", "ribosome", 0, 0, 0), ("C", "ribosome", 0, 0, 0)])
    assert match(truth, predictions, CZII).row.tolist() == []
    matches = match(truth, predictions, CZII, experiments=["B", "A"])
    assert matches.experiments == ("A", "B")
    assert matches.row.tolist() == [0]
    assert matches.experiment.tolist() == [1]
