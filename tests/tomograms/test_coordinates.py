import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomograms.coordinates import extent, inside, to_angstrom, to_index
from tomograms.simulator.densities import from_beads
from tomograms.simulator.structures import MODELS, Beads, built_in

finite = st.floats(-1e6, 1e6)


def test_voxel_centres_lie_at_index_times_voxel_size_and_axes_are_reversed():
    assert to_angstrom([[1, 2, 3]], 10.0).tolist() == [[30.0, 20.0, 10.0]]
    assert to_index([[30, 20, 10]], 10.0).tolist() == [[1.0, 2.0, 3.0]]
    assert to_angstrom([[0, 0, 0]], 10.012444).tolist() == [[0.0, 0.0, 0.0]]


@given(st.lists(st.tuples(finite, finite, finite), max_size=5), st.floats(0.5, 50))
@settings(max_examples=50)
def test_round_trip(points, voxel_size):
    index = to_index(points, voxel_size)
    assert index.shape == (len(points), 3)
    expected = np.asarray(points, float).reshape(-1, 3)
    np.testing.assert_allclose(to_angstrom(index, voxel_size), expected, rtol=1e-12, atol=1e-9)


def test_empty_in_empty_out():
    for function in (to_angstrom, to_index):
        assert function([], 10.0).shape == (0, 3)
    assert inside([], (2, 3, 4), 10.0).shape == (0,)


@pytest.mark.parametrize("centre", [(1.3, -3.9, 4.2), (-5.0, 4.9, 0.55)])  # xyz, Å, from a voxel's centre
@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_rendered_particle_is_found_at_its_sub_voxel_centre(centre, name):
    """The whole convention at once: beads in Å -> voxels -> centre of mass -> Å."""
    voxel_size, beads = 10.012444, built_in(name).beads()
    volume = from_beads(name, Beads(0.3 * beads.position + centre, beads.weight), voxel_size).density.astype(float)
    grid = np.indices(volume.shape).reshape(3, -1).T - len(volume) // 2
    index = np.average(grid, axis=0, weights=volume.ravel())
    np.testing.assert_allclose(to_angstrom(index, voxel_size)[0], centre, atol=0.1)


def test_extent_holds_the_full_outermost_voxels():
    low, high = extent((2, 3, 4), 10.0)
    assert low.tolist() == [-5.0, -5.0, -5.0]
    assert high.tolist() == [35.0, 25.0, 15.0]  # (4 - 0.5) * 10, (3 - 0.5) * 10, (2 - 0.5) * 10


def test_inside_at_the_border_and_with_a_margin():
    points = [(35, 25, 15), (35.1, 0, 0), (0, 25.1, 0), (0, 0, 15.1), (-5, -5, -5), (-5.1, 0, 0), (-8.1, 0, 0)]
    assert inside(points, (2, 3, 4), 10.0).tolist() == [True, False, False, False, True, False, False]
    assert inside(points, (2, 3, 4), 10.0, margin=3.0).tolist() == [True] * 6 + [False]
