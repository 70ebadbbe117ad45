import itertools

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from tomograms.particles import CZII
from tomograms.simulator.structures import BEAD_SPACING, MODELS, Domain, assemble, built_in, distractor

EXTENT = {  # Å along x, y, z of the model's own frame, as published (give or take a bead at both ends)
    "apo-ferritin": (120, 120, 120),
    "beta-amylase": (110, 100, 70),
    "beta-galactosidase": (175, 135, 90),
    "thyroglobulin": (250, 160, 110),
    "virus-like-particle": (288, 288, 288),
}
MASS = {  # daltons
    "apo-ferritin": 480e3,
    "beta-amylase": 220e3,
    "beta-galactosidase": 465e3,
    "thyroglobulin": 660e3,
    "virus-like-particle": 2.5e6,
}


def test_every_species_of_the_competition_has_a_model():
    assert set(MODELS) == {particle.name for particle in CZII}


@pytest.mark.parametrize("name", EXTENT)
def test_size_and_mass_are_the_published_ones(name):
    beads = built_in(name).beads()
    assert np.allclose(np.ptp(beads.position, axis=0), EXTENT[name], atol=2 * BEAD_SPACING)
    assert beads.weight.sum() == pytest.approx(MASS[name])
    assert np.allclose(beads.weight @ beads.position / beads.weight.sum(), 0, atol=1e-9)


def test_the_ribosome_is_large_irregular_and_has_two_parts():
    beads = built_in("ribosome").beads()
    assert 250 <= np.ptp(beads.position, axis=0).max() <= 300
    z = beads.position[:, 2]
    by_height = np.histogram(z, bins=np.arange(z.min(), z.max(), 10), weights=beads.weight)[0]
    cleft = by_height[len(by_height) // 2 :]
    assert cleft.min() < 0.5 * by_height.max() and cleft[np.argmin(cleft) :].max() > 2 * cleft.min()


@pytest.mark.parametrize(("name", "hollow"), [("apo-ferritin", 36), ("virus-like-particle", 112)])
def test_shells_are_hollow(name, hollow):
    assert np.linalg.norm(built_in(name).beads().position, axis=1).min() > hollow


@pytest.mark.parametrize(
    ("name", "group"),
    [("apo-ferritin", "O"), ("beta-galactosidase", "D2"), ("thyroglobulin", "C2"), ("virus-like-particle", "I")],
)
def test_the_outline_has_the_point_group(name, group):
    position = built_in(name).beads().position
    tree = cKDTree(position)
    for turn in Rotation.create_group(group):
        distance, _ = tree.query(turn.apply(position))
        assert np.percentile(distance, 99) < 1.5 * BEAD_SPACING


def test_an_overlap_counts_once():
    sphere = Domain((0.0, 0.0, 0.0), (30.0, 30.0, 30.0))
    one = assemble([sphere], "C1", 1e5, texture=0, seed=0)
    two = assemble([sphere, sphere], "C1", 1e5, texture=0, seed=0)
    assert len(one.weight) == len(two.weight)
    assert len(one.weight) == pytest.approx(4 / 3 * np.pi * 30**3 / BEAD_SPACING**3, rel=0.1)


def test_distractors_differ_and_have_the_size_of_proteins():
    rng = np.random.default_rng(0)
    for beads in [distractor(rng) for _ in range(20)]:
        assert 59e3 < beads.weight.sum() < 701e3
        assert 20 < np.linalg.norm(beads.position, axis=1).max() < 200


@pytest.mark.parametrize("name", [name for name in MODELS if built_in(name).doubt])
def test_variants_differ_in_shape_but_not_in_what_is_known(name):
    model, rng = built_in(name), np.random.default_rng(3)
    known, variants = model.beads(), [model.variant(rng) for _ in range(4)]
    for beads in variants:
        assert np.allclose(np.ptp(beads.position, axis=0), np.ptp(known.position, axis=0))
        assert beads.weight.sum() == pytest.approx(model.mass)
        assert np.allclose(beads.weight @ beads.position / beads.weight.sum(), 0, atol=1e-9)
        tree = cKDTree(beads.position)
        for turn in Rotation.create_group(model.symmetry):
            assert np.percentile(tree.query(turn.apply(beads.position))[0], 95) < 2 * BEAD_SPACING
    for one, other in itertools.combinations([known, *variants], 2):  # densities, not beads, are compared
        a, b = (np.histogramdd(beads.position, 8, [(-130, 130)] * 3, weights=beads.weight)[0] for beads in (one, other))
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] < 0.98


def test_variants_depend_on_the_generator_only():
    model = built_in("beta-galactosidase")
    first, second = (model.variant(np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first.position, second.position) and np.array_equal(first.weight, second.weight)


@pytest.mark.parametrize("name", MODELS)
def test_only_groups_that_bear_a_stretch_are_varied(name):
    assert not built_in(name).doubt or built_in(name).symmetry in ("C1", "C2", "D2")
