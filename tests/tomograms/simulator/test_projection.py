import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomograms.simulator.densities import NYQUIST_AMPLITUDE
from tomograms.simulator.placement import Poses
from tomograms.simulator.projection import project
from tomograms.simulator.scene import Scene
from tomograms.simulator.tilts import Tilts

SHAPE, FIELD, VOXEL_SIZE = (40, 48, 56), (72, 80), 10.0
ANGLES = np.deg2rad([-60.0, -17.0, 0.0, 40.0])
SHIFTS = np.array([[0.0, 0.0], [1.3, -0.4], [0.0, 0.0], [-2.2, 3.1]])  # yx


def tilts(error=0.0):
    n = len(ANGLES)
    return Tilts(ANGLES - error, np.full(n, error), SHIFTS, 1.0, np.zeros(n), np.ones(n))


def expected(points, weights):  # (n, 3) zyx, voxels of the tomogram
    """Points turned about the y axis through the tomogram's centre, summed along z, as the envelope's Gaussians."""
    variance = -np.log(NYQUIST_AMPLITUDE) / 0.25 / (2 * np.pi**2)
    z, y, x = (points - (np.array(SHAPE) - 1) / 2).T
    images = []
    for angle, (dy, dx) in zip(ANGLES, SHIFTS, strict=True):
        row = y + (FIELD[0] - 1) / 2 + dy
        column = x * np.cos(angle) + z * np.sin(angle) + (FIELD[1] - 1) / 2 + dx
        along_y = np.exp(-((np.arange(FIELD[0])[:, None] - row) ** 2) / (2 * variance))
        along_x = np.exp(-((np.arange(FIELD[1])[:, None] - column) ** 2) / (2 * variance))
        images.append((along_y * weights) @ along_x.T / (2 * np.pi * variance))
    return np.array(images)


def test_slices_agree_with_turned_beads(boomerang):
    species, beads = boomerang
    poses = Poses(np.array([[12.3, 20.7, 30.2], [25.0, 30.4, 18.9]]), Rotation.random(2, rng=0).as_matrix())
    points = [
        c + (beads.position @ r.T)[:, ::-1] / VOXEL_SIZE for c, r in zip(poses.position, poses.rotation, strict=True)
    ]
    wanted = expected(np.concatenate(points), np.tile(beads.weight, 2))
    scene = Scene(SHAPE, VOXEL_SIZE, (species,), (poses,), np.empty((0, 3)), np.empty(0))
    images = project(scene, tilts(), FIELD, "cpu").numpy()
    assert np.abs(images - wanted).max() < 0.03 * wanted.max()
    assert np.allclose(images.sum(axis=(1, 2)), wanted.sum(axis=(1, 2)), rtol=0.01)


def test_the_microscope_sees_the_true_angle(boomerang):
    poses = Poses(np.array([[12.3, 20.7, 30.2]]), np.eye(3)[None])
    scene = Scene(SHAPE, VOXEL_SIZE, boomerang[:1], (poses,), np.empty((0, 3)), np.empty(0))
    assert np.allclose(project(scene, tilts(0.02), FIELD, "cpu"), project(scene, tilts(), FIELD, "cpu"), atol=1e-2)


def test_points_agree_with_gaussians():
    rng = np.random.default_rng(1)
    points, weights = rng.uniform(5, 34, (50, 3)), rng.uniform(1e3, 2e3, 50)
    scene = Scene(SHAPE, VOXEL_SIZE, (), (), points, weights)
    wanted = expected(points, weights)
    images = project(scene, tilts(), FIELD, "cpu").numpy()
    assert np.corrcoef(images.ravel(), wanted.ravel())[0, 1] > 0.98  # linear interpolation blurs a little more
    assert np.allclose(images.sum(axis=(1, 2)), weights.sum(), rtol=1e-3)


def test_what_leaves_the_field_does_not_come_back(boomerang):
    positions = np.array([[20.0, -11.0, 28.0], [20.0, 24.0, 120.0], [20.0, -60.0, 28.0]])
    poses = Poses(positions, np.tile(np.eye(3), (3, 1, 1)))
    scene = Scene(SHAPE, VOXEL_SIZE, boomerang[:1], (poses,), positions, np.full(3, 1e3))
    images = project(scene, tilts(), FIELD, "cpu").numpy()
    assert images[2, :8].max() > 100  # half of the first one is seen at the upper border
    assert np.abs(images[:, 40:, :60]).max() < 60  # and nothing of any at the lower one


def test_an_empty_sample_gives_empty_images():
    scene = Scene(SHAPE, VOXEL_SIZE, (), (), np.empty((0, 3)), np.empty(0))
    images = project(scene, tilts(), FIELD, "cpu")
    assert images.shape == (4, *FIELD) and not images.any()


@pytest.mark.parametrize("number", [0, 1])
def test_species_without_copies_are_skipped(boomerang, number):
    poses = Poses(np.full((number, 3), 20.0), np.tile(np.eye(3), (number, 1, 1)))
    scene = Scene(SHAPE, VOXEL_SIZE, boomerang[:1], (poses,), np.empty((0, 3)), np.empty(0))
    assert project(scene, tilts(), FIELD, "cpu").any() == (number == 1)
