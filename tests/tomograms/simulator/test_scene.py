from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from tomograms.particles import CZII
from tomograms.simulator.library import built_in_species
from tomograms.simulator.scene import MARGIN, compose
from tomograms.simulator.settings import CZII_COUNTS, CZII_LIKE, TRAINING, draw

SPECIES = built_in_species(CZII, CZII_LIKE.voxel_size)


def test_a_real_size_sample_has_the_competition_s_counts_and_spacing():
    shape = (184, 630, 630)
    conditions = draw(CZII_LIKE, np.random.default_rng(0))
    scene = compose(CZII_LIKE, conditions, SPECIES, shape, np.random.default_rng(0))
    least = {"apo-ferritin": 100, "ribosome": 200, "thyroglobulin": 120, "virus-like-particle": 260}  # Å
    for species, poses in zip(scene.species, scene.poses, strict=True):
        if not species.name:
            continue
        inside = np.all((poses.position >= 0) & (poses.position <= np.array(shape) - 1), axis=1)
        low, high = CZII_COUNTS[species.name]
        assert 0.6 * low <= inside.sum() <= 1.1 * high  # fewer, where the ice is thinner than the volume
        nearest = cKDTree(poses.position).query(poses.position, k=2)[0][:, 1] * scene.voxel_size
        assert nearest.min() > least.get(species.name, 80)
    assert sum(len(p.position) for s, p in zip(scene.species, scene.poses, strict=True) if not s.name) > 100


def test_objects_reach_over_the_border_but_stay_in_the_ice():
    settings = replace(TRAINING, thickness=(300, 300), crowding=(20, 20))
    conditions = draw(settings, np.random.default_rng(1))
    scene = compose(settings, conditions, SPECIES, (60, 64, 64), np.random.default_rng(1))
    position = np.concatenate([p.position for p in scene.poses])
    assert np.abs((position[:, 0] - 29.5) * settings.voxel_size).max() <= 150
    assert position[:, 1:].min() < 0 and position[:, 1:].max() > 63
    assert position[:, 1:].min() >= -MARGIN and position[:, 1:].max() <= 63 + MARGIN


def test_nothing_asked_for_is_nothing_placed():
    none = dict.fromkeys(CZII_COUNTS, (0, 0))
    settings = replace(CZII_LIKE, counts=none, distractors=(0, 0), vesicles=(0, 0), gold=(0, 0))
    scene = compose(settings, draw(settings, np.random.default_rng(2)), SPECIES, (40, 40, 40), np.random.default_rng(2))
    assert not any(len(p.position) for p in scene.poses)
    assert scene.points.shape == (0, 3) and scene.weights.shape == (0,)


def test_species_are_missing_as_often_as_asked_for():
    settings = replace(CZII_LIKE, crowding=(20, 20), absent=(0.3, 0.3), distractors=(0, 0), vesicles=(0, 0))
    conditions = draw(settings, np.random.default_rng(0))
    unlabelled = replace(SPECIES[0], name="")
    present = np.zeros(len(SPECIES) + 1)
    for seed in range(60):
        scene = compose(settings, conditions, (*SPECIES, unlabelled), (30, 60, 60), np.random.default_rng(seed))
        present += [len(poses.position) > 0 for poses in scene.poses]
    assert np.all(np.abs(present[:-1] / 60 - 0.7) < 0.2) and abs(present[:-1].mean() / 60 - 0.7) < 0.08
    assert present[-1] == 60  # what is not labelled is never missing


def test_lumps_are_placed_where_there_is_room_and_are_not_labelled():
    settings = replace(CZII_LIKE, vesicles=(0, 0), gold=(0, 0), lumps=(2000, 2000), lump_radius=(60, 90))
    conditions = draw(settings, np.random.default_rng(0))
    scene = compose(settings, conditions, SPECIES, (40, 80, 80), np.random.default_rng(5))
    without = replace(settings, lumps=(0, 0))
    assert len(scene.points) > 1000
    assert not len(compose(without, conditions, SPECIES, (40, 80, 80), np.random.default_rng(5)).points)


def test_a_user_s_species_gets_the_other_count():
    stranger = replace(SPECIES[0], name="proteasome")
    settings = replace(CZII_LIKE, other_count=(2000, 2000), distractors=(0, 0), vesicles=(0, 0), gold=(0, 0))
    conditions = draw(settings, np.random.default_rng(3))
    scene = compose(settings, conditions, [stranger], (64, 100, 100), np.random.default_rng(3))
    volume = (64 + 2 * MARGIN - 1) * (100 + 2 * MARGIN - 1) ** 2
    assert abs(len(scene.poses[0].position) - 2000 * volume / (184 * 630 * 630)) <= 1
