import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from tomograms.errors import InputError
from tomograms.tomogram import centre_and_scale, fill_values, normalise


def noise(shape=(12, 20, 24), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_median_0_and_scaled_mad_1():
    volume = normalise(noise() * 7e-6 + 3e-5)
    assert volume.dtype == np.float32
    assert np.median(volume) == pytest.approx(0, abs=1e-3)
    assert 1.4826 * np.median(np.abs(volume)) == pytest.approx(1, abs=1e-3)


def test_known_values():
    volume = np.arange(-4, 5, dtype=np.float32).reshape(1, 3, 3)  # median 0, MAD 2
    np.testing.assert_allclose(normalise(volume), volume / (1.4826 * 2), rtol=1e-6)


@given(st.floats(1e-9, 1e3), st.floats(-100, 100))
@settings(max_examples=30)
def test_grey_scale_does_not_matter(scale, shift):
    volume = noise()
    moved = ((volume + np.float32(shift)) * np.float32(scale)).astype(np.float32)
    np.testing.assert_allclose(normalise(moved), normalise(volume), atol=1e-3)


def test_gold_changes_nothing_else_and_is_clipped():
    volume = noise((40, 40, 40))
    gold = volume.copy()
    gold[:2, :10, :10] = -1e4
    gold[5, 5, 5] = 1e4
    result = normalise(gold)
    assert result.min() == -12
    assert result.max() == 6
    np.testing.assert_allclose(result[10:], normalise(volume)[10:], atol=0.03)


@pytest.mark.parametrize("deviation", [0.5, 0.8, 1, 2])
@pytest.mark.parametrize("what", ["erased gold", "rounded in two ways", "rounded in two ways with offset"])
def test_voxels_between_two_of_a_few_levels_change_nothing(deviation, what):
    levels = np.rint(128 + deviation * noise((40, 40, 40)))
    odd = levels.copy()
    if what == "erased gold":
        odd[5, 5, 5:9] = 126.9, 127.3, 128.001, 130.5
    else:
        every = np.indices(odd.shape).sum(0) % 2 == 1
        odd = np.where(every, odd * np.float32(0.1), odd / np.float32(10)) + np.float32(50 * ("offset" in what))
    result = normalise(odd.astype(np.float32))
    result[5, 5, 5:9] = normalise(levels)[5, 5, 5:9]
    np.testing.assert_allclose(result, normalise(levels), atol=0.02)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("values", [(0.0,), (0.0, 0.0, 0.0), (0.0, 50.0, 300.0), (120.0,)])
def test_a_lost_slice_inside_changes_nothing_elsewhere(axis, values):
    volume = 120 + 10 * noise((40, 40, 40))
    lost = volume.copy()
    planes = np.moveaxis(lost, axis, 0)
    planes[20 : 20 + len(values)] = np.reshape(values, (-1, 1, 1))
    kept = np.delete(np.moveaxis(normalise(volume), axis, 0), range(20, 20 + len(values)), axis=0)
    result = np.moveaxis(normalise(lost), axis, 0)
    assert not result[20 : 20 + len(values)].any()
    np.testing.assert_allclose(np.delete(result, range(20, 20 + len(values)), axis=0), kept, atol=0.06)


def test_slices_of_one_value_each_are_no_data():
    volume = noise((40, 40, 40))
    padded = volume.copy()
    padded[:12] = np.arange(12).reshape(-1, 1, 1)
    np.testing.assert_allclose(normalise(padded)[12:], normalise(volume)[12:], atol=0.06)
    assert not normalise(padded)[:12].any()


def test_where_noise_was_taken_away_particles_do_not_end_equally_dark():
    clean = 0.05 * noise((40, 40, 40))
    clean[10:20, 10:20, 10:30] -= np.linspace(1, 3, 20, dtype=np.float32)  # 3 %: 20 to 60 deviations of the noise
    result = normalise(clean)
    assert np.percentile(result, 1) == pytest.approx(-7, abs=0.1)
    depths = result[10:20, 10:20, 10:30].mean((0, 1))
    np.testing.assert_allclose(depths / depths[0], np.linspace(1, 3, 20), atol=0.05)


def test_noise_is_the_unit_where_there_is_some():
    volume = noise((40, 40, 40))
    volume[10:20, 10:20, 10:30] -= 3
    median, scale = centre_and_scale(volume)
    np.testing.assert_allclose(normalise(volume), np.clip((volume - median) / scale, -12, 6), atol=1e-5)


def test_in_place_equals_copied_and_the_input_is_kept_otherwise():
    volume = noise()
    before = volume.copy()
    copied = normalise(volume)
    assert np.array_equal(volume, before)
    assert normalise(volume, out=volume) is volume
    assert np.array_equal(volume, copied)


def test_large_volumes_are_sampled_regularly():
    volume = noise((128, 128, 128), seed=1)
    volume[:, 1::2] += 5  # step 2 along each axis never sees the odd rows
    assert np.median(normalise(volume)[:, ::2]) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("value", [0.0, 3.5])
def test_a_constant_volume_is_refused(value):
    with pytest.raises(InputError, match="expected a volume with contrast"):
        normalise(np.full((4, 5, 6), value, np.float32))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("filled", [0.1, 0.5])
@pytest.mark.parametrize("value", [0.0, 1e-5])
def test_blank_parts_change_nothing_where_there_is_data(axis, filled, value):
    shape = [30, 30, 30]
    shape[axis] = 200
    data = noise(tuple(shape)) * np.float32(7e-6)
    kept = [slice(None)] * 3
    kept[axis] = slice(40, 40 + round(200 * filled))
    volume = np.full(shape, value, np.float32)
    volume[tuple(kept)] = data[tuple(kept)]
    result = normalise(volume)
    np.testing.assert_allclose(result[tuple(kept)], normalise(data[tuple(kept)]), atol=0.05)
    outside = np.ones(shape, bool)
    outside[tuple(kept)] = False
    assert not result[outside].any()


@pytest.mark.parametrize(
    "faces", [[(0, slice(6))], [(0, slice(-5, None))], [(a, s) for a in (1, 2) for s in (slice(3), slice(-2, None))]]
)
def test_thin_padding_along_faces_changes_nothing_either(faces):
    volume = noise((60, 90, 90)) * np.float32(7e-6) + np.float32(3e-5)
    inside = np.ones(volume.shape, bool)
    for axis, part in faces:
        inside[(slice(None),) * axis + (part,)] = False
    expected = normalise(volume)[inside]
    volume[~inside] = 0
    result = normalise(volume)
    np.testing.assert_allclose(result[inside], expected, atol=0.03)
    assert not result[~inside].any()


def test_levels_may_lie_at_the_ends_of_float32():
    largest = float(np.finfo(np.float32).max)
    volume = np.repeat(np.float32([-largest, 0.9 * largest, largest]), (300, 500, 200))
    median, scale = centre_and_scale(volume)
    assert -largest < median <= largest and 0 < scale < np.inf


def test_few_grey_levels_are_data():
    levels = np.clip(np.round(noise((40, 40, 40)) * 1.2 + 128), 0, 255).astype(np.float32)
    result = normalise(levels)
    assert len(np.unique(result)) == len(np.unique(levels))
    assert np.median(result) == pytest.approx(0, abs=0.5) and result.std() == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize("level", [128, 0])
def test_padding_on_a_level_that_the_data_hold_too(level):
    data = np.clip(np.round(noise((60, 60, 60)) * 2 + (128 if level else 3)), 0, 255).astype(np.float32)
    volume = np.full((60, 60, 120), level, np.float32)
    volume[:, :, 30:90] = data
    result = normalise(volume)
    inside = np.abs(result[10:-10, 10:-10, 40:80] - normalise(data)[10:-10, 10:-10, 10:50])
    assert np.quantile(inside, 0.95) < 0.15 and not result[:, :, :20].any()


def test_smooth_data_of_8_bit_are_no_padding():
    smooth = ndimage.gaussian_filter(noise((60, 60, 60)), 3.0)
    levels = np.round(smooth / smooth.std() * 4 + 128).astype(np.float32)
    assert not len(fill_values(levels, 1))


@pytest.mark.parametrize("spread", [0.4, 0.8, 1.5, 4.0])
def test_few_grey_levels_have_the_statistics_of_what_they_were_made_from(spread):
    exact = noise((60, 60, 60)) * np.float32(spread) + np.float32(128.3)
    median, scale = centre_and_scale(np.round(exact))
    assert median == pytest.approx(128.3, abs=0.06 * spread)
    assert scale == pytest.approx(spread, rel=0.12)
    assert centre_and_scale(np.round(exact) * 7e-6)[1] == pytest.approx(7e-6 * scale, rel=1e-3)


def test_most_voxels_on_one_level():
    volume = np.full((30, 30, 30), 128, np.float32)
    rng = np.random.default_rng(0)
    volume[rng.random(volume.shape) < 0.2] = 127
    volume[10:16, 10:16, 10:16] = 90
    assert normalise(volume)[12, 12, 12] == -12
