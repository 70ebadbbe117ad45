import numpy as np

from models.training.crops import TrainingVolume, draw_batch, species_shares
from tomograms.particles import CZII, Particle


def training_volume(seed: int = 0, shape=(24, 32, 32)) -> TrainingVolume:
    """A volume whose labels equal, voxel by voxel, the mean of the volume over the stride-2 cell."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, [n // 2 for n in shape]).astype(np.uint8)
    volume = labels.repeat(2, 0).repeat(2, 1).repeat(2, 2).astype(np.float32)
    return TrainingVolume(volume, labels, np.array([[5.0, 6.0, 7.0], [20.0, 30.0, 1.0]]), np.array([1, 3]))


def draw(rng: np.random.Generator, **changes):
    arguments = {"size": (8, 12, 12), "batch": 16, "stride": 2, "around_picks": 0.5, "shares": np.ones(5)} | changes
    return draw_batch([training_volume(0), training_volume(1)], rng=rng, **arguments)


def test_targets_stay_on_their_crops_through_flips_and_turns():
    crops, targets, offsets = draw(np.random.default_rng(3))
    assert crops.shape == (16, 1, 8, 12, 12)
    assert targets.shape == (16, 4, 6, 6)
    cells = crops[:, 0].reshape(16, 4, 2, 6, 2, 6, 2).mean((2, 4, 6))
    assert np.array_equal(cells, targets) and offsets is None


def test_a_batch_depends_on_its_generator_only():
    first, second, other = (draw(np.random.default_rng(seed)) for seed in ([8, 1], [8, 1], [8, 2]))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])


def test_crops_around_picks_hold_one():
    marked = TrainingVolume(
        np.zeros((24, 32, 32), np.float32),
        np.zeros((12, 16, 16), np.uint8),
        np.array([[13.0, 9.0, 21.0]]),
        np.array([2]),
    )
    marked.volume[13, 9, 21] = 1.0
    crops, _, _ = draw_batch(
        [marked],
        size=(8, 12, 12),
        batch=32,
        stride=2,
        around_picks=1.0,
        shares=np.ones(3),
        rng=np.random.default_rng(0),
    )
    assert (crops.reshape(32, -1).sum(1) == 1).all()


def test_volumes_without_picks_are_drawn_anywhere():
    empty = TrainingVolume(
        np.ones((8, 12, 12), np.float32), np.zeros((4, 6, 6), np.uint8), np.empty((0, 3)), np.empty(0, np.int64)
    )
    crops, targets, _ = draw_batch(
        [empty], size=(8, 12, 12), batch=2, stride=2, around_picks=1.0, shares=np.ones(1), rng=np.random.default_rng(0)
    )
    assert crops.sum() == crops.size
    assert targets.sum() == 0


def test_species_are_drawn_by_their_shares_however_many_picks_they_have():
    volume = np.zeros((8, 12, 800), np.float32)
    places = [(4.0, 6.0, 40.0 + 20 * i) for i in range(30)] + [(4.0, 6.0, 760.0)]
    volume[4, 6, 760] = 1.0
    marked = TrainingVolume(volume, np.zeros((4, 6, 400), np.uint8), np.array(places), np.array([1] * 30 + [2]))
    options = {"size": (8, 12, 12), "stride": 2, "around_picks": 1.0, "rng": np.random.default_rng(0)}
    crops, _, _ = draw_batch([marked], batch=2000, shares=np.array([0.0, 1.0, 3.0]), **options)
    assert abs(crops.reshape(2000, -1).max(1).mean() - 0.75) < 0.03


def test_shares_follow_the_weights_and_leave_nobody_out():
    assert list(species_shares(CZII)) == [0, 1, 0.5, 2, 1, 2, 1]
    assert list(species_shares([Particle("a", 2, 50.0, 0.0)])) == [0, 0, 1]
    assert list(species_shares([Particle("a", 1, 50.0, 0.1), Particle("b", 2, 50.0, 0.0)])) == [0, 0.1, 0.05]


def test_offsets_point_to_the_same_voxel_through_flips_and_turns():
    """A volume with one bright voxel, and the way there from every voxel of the grid: it leads there in every view."""
    volume = np.zeros((24, 24, 24), np.float32)
    volume[13, 10, 11] = 1.0
    grid = np.stack(np.indices((6, 6, 6)))
    way = ((np.array([13, 10, 11]) - 1.5) / 4)[:, None, None, None] - grid
    marked = TrainingVolume(
        volume,
        np.zeros((6, 6, 6), np.uint8),
        np.empty((0, 3)),
        np.empty(0, np.int64),
        offsets=way.astype(np.float16),
    )
    crops, _, offsets = draw_batch(
        [marked],
        size=(24, 24, 24),
        batch=64,
        stride=4,
        around_picks=0.0,
        shares=np.ones(1),
        rng=np.random.default_rng(0),
    )
    seen = set()
    for crop, field in zip(crops[:, 0], offsets, strict=True):
        bright = np.argwhere(crop)[0]
        seen.add(tuple(bright))
        np.testing.assert_allclose(1.5 + 4 * (grid + field), np.broadcast_to(bright[:, None, None, None], field.shape))
    assert len(seen) == 16  # every flip, turned and not
