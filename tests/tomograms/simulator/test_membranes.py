import numpy as np
import pytest
from scipy.spatial import cKDTree

from tomograms.simulator.membranes import AREA, HEADS, LUMP_DENSITY, gold, lump, sphere, vesicle


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


def test_a_lump_is_solid_irregular_and_never_the_same():
    rng = np.random.default_rng(4)
    shapes = []
    for _ in range(6):
        points, weights = lump(150.0, rng)
        radius = np.linalg.norm(points, axis=1)
        assert 60 < radius.max() <= 150 * 1.3 and len(weights) == len(points)
        assert np.all(weights > 0)
        eigenvalues = np.linalg.eigvalsh(np.cov(points.T))
        shapes.append(eigenvalues[2] / eigenvalues[0])
        cells = len(np.unique(np.floor(points / 24), axis=0)) * 24**3
        assert 0.5 * 0.81 * LUMP_DENSITY[0] * cells * 0.3 < weights.sum() < 2 * 0.81 * LUMP_DENSITY[1] * cells
    assert min(shapes) > 1.05 and len({round(shape, 3) for shape in shapes}) == 6
