import numpy as np
import pytest
from scipy.spatial import cKDTree

from tomograms.errors import InputError
from tomograms.particles import CZII
from tomograms.simulator.library import built_in_species
from tomograms.simulator.placement import Room

VOXEL_SIZE = 10.0


def room(shape=(40, 120, 120)):
    return Room(np.zeros(3), np.asarray(shape, float) - 1, VOXEL_SIZE)


def hulls(species, poses):
    for kind, pose in zip(species, poses, strict=True):
        for centre, turn in zip(pose.position, pose.rotation, strict=True):
            yield centre + (kind.outline @ turn.T)[:, ::-1] / VOXEL_SIZE


def test_nothing_overlaps_and_everything_is_inside():
    species = built_in_species(CZII, VOXEL_SIZE)
    poses = room().place(species, [12, 4, 5, 4, 5, 3], clustering=0.8, rng=np.random.default_rng(0))
    assert [len(p.position) for p in poses] == [12, 4, 5, 4, 5, 3]
    for pose in poses:
        assert np.allclose(pose.rotation @ np.swapaxes(pose.rotation, 1, 2), np.eye(3))
        assert np.all((pose.position >= 0) & (pose.position <= (39, 119, 119)))
    placed = list(hulls(species, poses))
    for i, hull in enumerate(placed):
        others = cKDTree(np.concatenate([h for j, h in enumerate(placed) if j != i]))
        # points of two objects share no voxel; where hulls touch, points may come close across a face
        assert np.mean(others.query(hull)[0] < 0.5) < 0.05


def test_distances_are_those_of_bodies_in_touch():
    ribosome = built_in_species(CZII[3:4], VOXEL_SIZE)
    pose = room().place(ribosome, [12], clustering=1.0, rng=np.random.default_rng(1))[0]
    distance = cKDTree(pose.position).query(pose.position, k=2)[0][:, 1] * VOXEL_SIZE
    assert distance.min() >= 200 and np.median(distance) < 360


def test_clustering_brings_particles_together():
    ferritin = built_in_species(CZII[:1], VOXEL_SIZE)

    def nearest(clustering):
        pose = room((40, 250, 250)).place(ferritin, [40], clustering=clustering, rng=np.random.default_rng(2))[0]
        return np.median(cKDTree(pose.position).query(pose.position, k=2)[0][:, 1])

    assert nearest(1.0) < 0.7 * nearest(0.0)


def test_orientations_are_uniform():
    ferritin = built_in_species(CZII[:1], VOXEL_SIZE)
    pose = room((40, 200, 200)).place(ferritin, [150], clustering=0, rng=np.random.default_rng(3))[0]
    assert np.abs(pose.rotation.mean(axis=0)).max() < 4 / np.sqrt(3 * 150)


def test_the_same_seed_gives_the_same_places():
    species = built_in_species(CZII, VOXEL_SIZE)
    a, b = (room().place(species, [3] * 6, clustering=0.5, rng=np.random.default_rng(4)) for _ in range(2))
    for first, second in zip(a, b, strict=True):
        assert np.array_equal(first.position, second.position) and np.array_equal(first.rotation, second.rotation)


def test_no_copies_keep_their_shape():
    (pose,) = room().place(built_in_species(CZII[:1], VOXEL_SIZE), [0], clustering=0.5, rng=np.random.default_rng(5))
    assert pose.position.shape == (0, 3) and pose.rotation.shape == (0, 3, 3)


def test_impossible_crowding_is_refused_in_clear_words():
    with pytest.raises(InputError, match=r"expected room for 500 x ribosome without overlaps, but only \d+ fit"):
        species = built_in_species(CZII[3:4], VOXEL_SIZE)
        room((30, 60, 60)).place(species, [500], clustering=0.5, rng=np.random.default_rng(6))
