from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomograms.particles import CZII
from tomograms.picks import TRUTH_COLUMNS
from tomograms.simulator.library import built_in_species
from tomograms.simulator.placement import Poses
from tomograms.simulator.scene import Scene, compose
from tomograms.simulator.settings import CZII_LIKE, TRAINING, draw
from tomograms.simulator.simulate import image_scene, simulate, truth
from tomograms.simulator.structures import built_in
from tomograms.tomogram import normalise

SHAPE = (40, 64, 64)
SPECIES = built_in_species(CZII, CZII_LIKE.voxel_size)


def true_density(scene):
    """The beads of every particle, turned and placed, each shared among the eight voxels around it."""
    density = np.zeros(scene.shape)
    for species, poses in zip(scene.species, scene.poses, strict=True):
        beads = built_in(species.name).beads()
        for centre, turn in zip(poses.position, poses.rotation, strict=True):
            index = centre + (beads.position @ turn.T)[:, ::-1] / scene.voxel_size
            low = np.floor(index).astype(int)
            for corner in np.ndindex(2, 2, 2):
                at = low + corner
                share = np.prod(np.where(corner, index - low, 1 - (index - low)), axis=1)
                inside = np.all((at >= 0) & (at < scene.shape), axis=1)
                np.add.at(density, tuple(at[inside].T), (share * beads.weight)[inside])
    return density


def offsets(volume, reference):
    """How far ``volume`` lies from ``reference`` along each axis (voxels): the peak of their cross-correlation."""
    cross = np.fft.fftn(volume - volume.mean()) * np.conj(np.fft.fftn(reference - reference.mean()))
    tried = np.arange(-2, 2.001, 0.01)
    found = []
    for axis in range(3):
        along = cross.sum(axis=tuple(a for a in range(3) if a != axis))
        k = np.fft.fftfreq(len(along))
        k[np.abs(k) == 0.5] = 0
        found.append(tried[np.argmax(np.real(np.exp(2j * np.pi * np.outer(tried, k)) @ along))])
    return np.array(found)


def four_particles(species, seed):
    """A sample of four copies at known places between the voxels, and nothing else."""
    rng = np.random.default_rng(seed)
    centres = np.array([[12.0, 16, 16], [26, 46, 18], [14, 44, 46], [26, 18, 44]]) + rng.uniform(-1, 1, (4, 3))
    poses = Poses(centres, Rotation.random(4, rng=rng).as_matrix())
    return Scene(SHAPE, CZII_LIKE.voxel_size, (species,), (poses,), np.empty((0, 3)), np.empty(0))


@pytest.mark.parametrize("species", SPECIES[3:], ids=lambda s: s.name)
def test_the_tomogram_registers_with_the_truth(conditions, species):
    scene = four_particles(species, 0)
    real = replace(conditions, misalignment=0.3, angle_error=0.2, correction=0.7, half_range=50.0, denoising=0.3)
    volume = image_scene(scene, real, seed=0).numpy()
    assert np.abs(offsets(-volume, true_density(scene))).max() <= 0.1


def test_a_shift_would_be_noticed(conditions):
    scene = four_particles(SPECIES[3], 1)
    volume = np.roll(image_scene(scene, conditions, seed=0).numpy(), (1, -1), (0, 1))
    assert np.allclose(offsets(-volume, true_density(scene)), (1, -1, 0), atol=0.1)


@pytest.mark.parametrize("half_range", [45.0, 60.0])
def test_the_missing_wedge_is_where_the_tilt_range_says(conditions, empty_scene, half_range):
    scene = replace(empty_scene, shape=(48, 16, 96))
    volume = image_scene(scene, replace(conditions, half_range=half_range, step=1.5), seed=1).numpy()
    window = np.hanning(48)[:, None, None] * np.hanning(96)
    power = (np.abs(np.fft.fftn(volume * window)) ** 2).mean(axis=1)
    kz, kx = np.fft.fftfreq(48)[:, None], np.fft.fftfreq(96)[None]
    angle = np.rad2deg(np.arctan2(np.abs(kz), np.abs(kx)))
    radius = np.hypot(kz, kx)
    ring = (radius > 0.15) & (radius < 0.3)
    seen = np.mean(power[ring & (angle < half_range - 5)])
    missing = np.mean(power[ring & (angle > half_range + 5)])
    edge = np.mean(power[ring & (angle > half_range - 5) & (angle < half_range - 1)])
    assert missing < 0.03 * seen
    assert 0.1 * seen < edge < seen  # high tilts count less, but they count


REAL = np.array([-10.0, -5.7, 2.2, 3.1])
"""Percentiles 0.1, 1, 99, 99.9 of the competition's tomograms, in units of 1.4826 x MAD around the median."""


def percentiles(volume):
    median = np.median(volume)
    return (np.percentile(volume, [0.1, 1, 99, 99.9]) - median) / (1.4826 * np.median(np.abs(volume - median)))


def test_percentiles_are_the_real_ones():
    found = [percentiles(simulate(CZII_LIKE, seed, (64, 160, 160), species=SPECIES)[0].volume) for seed in range(4)]
    assert np.allclose(np.mean(found, axis=0), REAL, rtol=0.25)


def test_conditions_alone_rarely_move_a_percentile_by_a_quarter():
    """One sample under ten draws of the conditions: small samples differ by themselves, full-size ones hardly."""
    rng = np.random.default_rng(1)
    scene = compose(replace(CZII_LIKE, gold=(0, 0)), draw(CZII_LIKE, rng), SPECIES, (48, 128, 128), rng)
    drawn = [draw(CZII_LIKE, np.random.default_rng(seed)) for seed in range(10)]
    found = np.array([percentiles(image_scene(scene, c, seed=i).numpy()) for i, c in enumerate(drawn)])
    off = np.abs(found / np.median(found, axis=0) - 1).max(axis=1)
    assert np.sum(off <= 0.25) >= 9


def test_the_same_seed_gives_the_same_volume_and_another_another():
    first, picks = simulate(TRAINING, (3, 1), SHAPE, species=SPECIES)
    again, same = simulate(TRAINING, (3, 1), SHAPE, species=SPECIES)
    other, _ = simulate(TRAINING, (3, 2), SHAPE, species=SPECIES)
    assert np.array_equal(first.volume, again.volume) and picks.equals(same)
    assert not np.array_equal(first.volume, other.volume)


def test_a_volume_looks_like_any_other_to_the_rest():
    tomogram, picks = simulate(TRAINING, 4, SHAPE, species=SPECIES, name="sim")
    assert tomogram.name == "sim" and tomogram.volume.dtype == np.float32 and tomogram.volume.shape == SHAPE
    assert 1e-6 < tomogram.volume.std() < 1e-4 and np.isfinite(normalise(tomogram.volume)).all()
    assert list(picks.columns) == TRUTH_COLUMNS and set(picks["experiment"]) == {"sim"}
    index = picks[["z", "y", "x"]].to_numpy() / tomogram.voxel_size
    assert np.all((index >= -0.5) & (index <= np.array(SHAPE) - 0.5))
    assert set(picks["particle_type"]) <= {p.name for p in CZII}


def test_particles_are_dark():
    settings = replace(TRAINING, counts={"ribosome": (300, 300)}, crowding=(5, 5), correction=(0.7, 0.7))
    tomogram, picks = simulate(settings, 5, (40, 96, 96), species=SPECIES[3:4])
    index = np.rint(picks[["z", "y", "x"]].to_numpy() / tomogram.voxel_size).astype(int)
    assert len(index) > 3 and np.mean(normalise(tomogram.volume)[tuple(index.T)]) < -1.5


def test_truth_of_an_empty_sample_keeps_its_columns(empty_scene):
    table = truth(empty_scene, "none")
    assert list(table.columns) == TRUTH_COLUMNS and len(table) == 0
