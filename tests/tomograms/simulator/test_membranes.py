import numpy as np
import pytest
from scipy.spatial import cKDTree

from tomograms.simulator.membranes import AREA, HEADS, gold, sphere, vesicle


def test_the_sphere_is_even():
    points = sphere(500)
    assert np.allclose(np.linalg.norm(points, axis=1), 1)
    assert np.abs(points.mean(axis=0)).max() < 0.01
    distance = cKDTree(points).query(points, k=2)[0][:, 1]
    assert distance.max() < 2 * distance.min()


def test_a_vesicle_has_two_layers_about_its_radius():
    points, weights = vesicle(300.0, np.random.default_rng(0))
    radius = np.linalg.norm(points, axis=1)
    inner, outer = radius[: len(radius) // 2], radius[len(radius) // 2 :]
    assert np.allclose(outer - inner, HEADS)
    assert np.mean(radius) == pytest.approx(300, rel=0.1) and np.std(inner) > 0
    assert len(points) == 2 * int(4 * np.pi * 300**2 / AREA) and len(weights) == len(points)


def test_gold_is_a_full_ball():
    points, weights = gold(50.0)
    assert np.linalg.norm(points, axis=1).max() <= 50
    density = weights.sum() / (4 / 3 * np.pi * 50**3)
    assert density == pytest.approx(0.81 * 10, rel=0.1)
