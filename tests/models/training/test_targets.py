import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.targets import ball_offsets, ball_targets, mirrored_picks
from tomograms.coordinates import to_angstrom
from tomograms.particles import Particle

SMALL = Particle("small", 1, 40.0, 1.0)
LARGE = Particle("large", 2, 80.0, 1.0)
VOXEL = 10.0


def picks(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    """Rows of (species, z, y, x) in tomogram indices."""
    xyz = to_angstrom([row[1:] for row in rows], VOXEL)
    return pd.DataFrame({"particle_type": [r[0] for r in rows], "x": xyz[:, 0], "y": xyz[:, 1], "z": xyz[:, 2]})


def targets(table: pd.DataFrame, shape=(12, 12, 12), fraction=0.5, stride=2, origin=0.5) -> np.ndarray:
    return ball_targets(
        table, shape, VOXEL, particles=[SMALL, LARGE], radius_fraction=fraction, stride=stride, origin=origin
    )


def test_ball_has_every_voxel_within_the_radius_and_no_other():
    labels = targets(picks(("large", 10.7, 12.1, 9.4)), stride=1, origin=0.0, shape=(24, 24, 24))
    z, y, x = np.indices(labels.shape)
    inside = (z - 10.7) ** 2 + (y - 12.1) ** 2 + (x - 9.4) ** 2 <= 4.0**2
    assert np.array_equal(labels == 2, inside)


def test_map_index_lies_at_origin_plus_stride_times_index():
    labels = targets(picks(("small", 8.5, 6.5, 4.5)), fraction=0.1)
    assert np.argwhere(labels).tolist() == [[4, 3, 2]]


def test_a_ball_smaller_than_a_voxel_keeps_its_nearest_voxel():
    labels = targets(picks(("small", 9.4, 9.4, 9.4)), fraction=0.01)
    assert np.argwhere(labels).tolist() == [[4, 4, 4]]


def test_voxels_between_two_balls_belong_to_the_relatively_nearer_one():
    labels = targets(picks(("small", 10, 10, 6), ("large", 10, 10, 11)), stride=1, origin=0.0, shape=(20, 20, 20))
    # at x = 8 both are within reach: distance 2 of 2 voxels against 3 of 4
    assert labels[10, 10, 8] == 2
    assert labels[10, 10, 7] == 1


def test_no_picks_gives_background():
    assert not targets(picks(("small", 1, 1, 1)).iloc[:0]).any()


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.floats(0, 23)] * 3), max_size=6), st.randoms())
def test_the_order_of_picks_does_not_matter(centres, random):
    rows = [(("small", "large")[i % 2], *centre) for i, centre in enumerate(centres)]
    shuffled = rows.copy()
    random.shuffle(shuffled)
    if rows:
        one, other = targets(picks(*rows)), targets(picks(*shuffled))
        # two picks at exactly the same relative distance may swap a voxel; species never vanish
        assert set(np.unique(one)) == set(np.unique(other)) | set()
        assert np.array_equal(one > 0, other > 0)


@given(
    old=st.tuples(*[st.integers(3, 8)] * 3),
    more=st.tuples(*[st.integers(0, 20)] * 3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_mirrored_picks_lie_where_their_voxels_do(old, more, seed):
    grown = tuple(a + b for a, b in zip(old, more, strict=True))
    marks = np.random.default_rng(seed).random(old) < 0.1
    padded = np.pad(marks, [(0, b) for b in more], mode="symmetric")
    table = picks(*(("small", *index) for index in np.argwhere(marks)))
    found = mirrored_picks(table, old, grown, VOXEL)
    index = np.rint(found[["z", "y", "x"]].to_numpy() / VOXEL).astype(int)
    assert sorted(map(tuple, index.tolist())) == sorted(map(tuple, np.argwhere(padded).tolist()))


def test_offsets_lead_from_every_voxel_of_a_ball_to_its_centre():
    table = picks(("small", 9.0, 10.7, 6.2), ("large", 12.0, 10.0, 13.0))
    options = {"particles": [SMALL, LARGE], "radius_fraction": 0.5, "stride": 2, "origin": 0.5}
    labels, offsets = (make(table, (12, 12, 12), VOXEL, **options) for make in (ball_targets, ball_offsets))
    assert set(np.unique(labels)) == {0, 1, 2} and not offsets[:, labels == 0].any()
    index = np.stack(np.indices(labels.shape)).astype(np.float64)
    reached = 0.5 + 2 * (index + offsets)
    for label, centre in ((1, (9.0, 10.7, 6.2)), (2, (12.0, 10.0, 13.0))):
        found = reached[:, labels == label]
        np.testing.assert_allclose(found, np.broadcast_to(np.array(centre)[:, None], found.shape), atol=5e-3)
