import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.outputs import PointMaps
from postproc.candidates import COLUMNS
from postproc.points import point_candidates
from tomograms.particles import Particle

SMALL, LARGE = Particle("small", 1, 60.0, 1.0), Particle("large", 2, 150.0, 1.0)
VOXEL = 10.0


def point_maps(shape, *balls):
    """Heat in balls around (species, z, y, x) in tomogram voxels; each of their voxels points to the centre."""
    logits = np.full((2 + 3, *shape), -8.0, np.float16)
    grid = np.stack(np.indices(shape))
    for particle, *centre in balls:
        way = ((np.array(centre) - 1.5) / 4)[:, None, None, None] - grid
        distance = np.sqrt((way**2).sum(0)) * 4 * VOXEL
        near = distance <= max(particle.radius / 2, distance.min())
        logits[particle.label - 1][near] = 4.0
        logits[-3:, near] = way[:, near]
    return PointMaps(logits, 4, (1.5, 1.5, 1.5))


def found(maps):
    return point_candidates(maps, (SMALL, LARGE), VOXEL, experiment="A", member="detector", model="m")


@given(st.tuples(st.floats(6, 40), st.floats(6, 56), st.floats(6, 56)), st.sampled_from([SMALL, LARGE]))
def test_a_particle_is_found_where_its_voxels_point(centre, particle):
    table = found(point_maps((12, 16, 16), (particle, *centre)))
    assert list(table.columns) == COLUMNS
    best = table[table["particle_type"] == particle.name].iloc[0]
    np.testing.assert_allclose(best[["z", "y", "x"]].to_numpy(float), np.array(centre) * VOXEL, atol=0.5)
    assert len(table[table["score"] > 0.05]) == 1


def test_neighbours_of_one_species_and_of_two_stay_apart():
    balls = (SMALL, 20.0, 20.0, 20.0), (SMALL, 20.0, 20.0, 32.0), (LARGE, 20.0, 44.0, 24.0)
    table = found(point_maps((12, 16, 16), *balls))
    sure = table[table["score"] > 0.05].sort_values("x")
    assert sure["particle_type"].tolist() == ["small", "large", "small"]


def test_no_candidate_leaves_the_map():
    maps = point_maps((4, 4, 4), (SMALL, 0.0, 0.0, 0.0), (SMALL, 15.0, 15.0, 15.0))
    maps.logits[-3:, 0, 0, 0], maps.logits[-3:, 3, 3, 3] = -5.0, 5.0
    position = found(maps)[["x", "y", "z"]].to_numpy()
    assert (position >= -0.5 * VOXEL).all() and (position <= 15.5 * VOXEL).all()


def test_silent_maps_give_an_empty_table():
    assert found(point_maps((4, 4, 4))).empty
