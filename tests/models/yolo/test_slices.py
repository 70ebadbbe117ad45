import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.yolo.slices import GREY, LEVELS, canvas, circles, image, middle, polygons, slabs
from tomograms.particles import Particle

BALL = Particle("ball", 1, 100.0, 1.0)


def picks(*rows):
    return pd.DataFrame([("ball", *row) for row in rows], columns=["particle_type", "x", "y", "z"])


def test_the_median_is_the_grey_of_the_padding_and_levels_are_linear():
    volume = np.array([0.0, 1.0, -2.0, 6.0, -12.0], np.float32).reshape(5, 1, 1)
    assert slabs(volume, 1).ravel().tolist() == [GREY, GREY + LEVELS, GREY - 2 * LEVELS, GREY + 6 * LEVELS, 0]


def test_a_slab_is_the_mean_of_its_voxels():
    volume = np.arange(5, dtype=np.float32).reshape(5, 1, 1)
    assert slabs(volume, 3).ravel().tolist() == [GREY + LEVELS * mean for mean in (1, 2, 3)]
    assert middle(np.arange(3), 3).tolist() == [1, 2, 3]
    assert middle(np.arange(2), 2).tolist() == [0.5, 1.5]


def test_channels_are_the_neighbouring_slabs_and_repeat_at_the_ends():
    levels = np.arange(4, dtype=np.uint8).reshape(4, 1, 1) * np.ones((1, 32, 32), np.uint8)
    frame = canvas((4, 32, 32), 1.0)
    assert image(levels, 1, gap=1, canvas=frame)[0, 0].tolist() == [0, 1, 2]
    assert image(levels, 0, gap=2, canvas=frame)[0, 0].tolist() == [0, 0, 2]
    assert image(levels, 3, gap=1, canvas=frame)[0, 0].tolist() == [2, 3, 3]


def test_the_canvas_is_a_square_of_a_multiple_of_32_with_the_slice_in_its_middle():
    frame = canvas((10, 40, 60), 1.0)
    assert (frame.side, frame.inner, frame.offset) == (64, (40, 60), (12, 2))
    picture = image(np.zeros((1, 40, 60), np.uint8), 0, gap=0, canvas=frame)
    assert picture.shape == (64, 64, 3)
    assert (picture[12:52, 2:62] == 0).all()
    assert (picture == GREY).sum() == 3 * (64 * 64 - 40 * 60)


def test_kaggle_slices_make_the_recipes_image_size():
    assert canvas((184, 630, 630), 1.0).side == 640


@settings(max_examples=40)
@given(st.integers(20, 90), st.integers(20, 90), st.sampled_from([0.5, 1.0, 1.5, 2.0]))
def test_pixels_and_indices_are_inverse(rows, columns, zoom):
    frame = canvas((5, rows, columns), zoom)
    points = np.array([[0.0, 0.0], [columns - 1.0, rows - 1.0], [3.25, 7.5]])
    np.testing.assert_allclose(frame.to_index(frame.to_pixels(points)), points, atol=1e-9)


@pytest.mark.parametrize("zoom", [1.0, 1.5, 2.0])
def test_a_bright_spot_lies_in_the_image_where_to_pixels_says(zoom):
    volume = np.zeros((1, 48, 64), np.float32)
    y, x = np.indices(volume.shape[1:])
    volume[0] = 6 * np.exp(-((y - 20) ** 2 + (x - 33) ** 2) / 18)
    frame = canvas(volume.shape, zoom)
    picture = image(slabs(volume, 1), 0, gap=0, canvas=frame)[..., 1].astype(float) - GREY
    rows, columns = np.indices(picture.shape) + 0.5  # continuous coordinates of the pixels' centres
    measured = [(columns * picture).sum() / picture.sum(), (rows * picture).sum() / picture.sum()]
    np.testing.assert_allclose(measured, frame.to_pixels(np.array([33.0, 20.0])), atol=0.05)


def test_circles_are_the_spheres_cross_sections():
    # Radius 100 Å = 10 voxels around (x, y, z) = (20, 30, 16): at z = 10 the radius is sqrt(100 - 36) = 8.
    label, centre, radius = circles(
        picks((200.0, 300.0, 160.0)), [BALL], 10.0, z=10.0, label_fraction=0.5, radius_scale=1.0
    )
    assert label.tolist() == [1]
    np.testing.assert_allclose(centre, [[20.0, 30.0]])
    np.testing.assert_allclose(radius, [8.0])


@pytest.mark.parametrize(("fraction", "labelled"), [(0.0, 19), (0.6, 17), (0.8, 13), (1.0, 1)])
def test_slices_with_too_small_a_cross_section_carry_no_label(fraction, labelled):
    # r >= f R for |dz| <= R sqrt(1 - f^2): 9 (10 has radius 0), 8, 6 and 0 voxels.
    count = sum(
        len(circles(picks((0.0, 0.0, 500.0)), [BALL], 10.0, z=float(z), label_fraction=fraction, radius_scale=1.0)[0])
        for z in range(100)
    )
    assert count == labelled


def test_the_radius_can_be_scaled():
    radius = circles(picks((0.0, 0.0, 100.0)), [BALL], 10.0, z=10.0, label_fraction=0.5, radius_scale=0.7)[2]
    np.testing.assert_allclose(radius, [7.0])


def test_no_picks_give_no_circles():
    label, centre, radius = circles(picks(), [BALL], 10.0, z=10.0, label_fraction=0.5, radius_scale=1.0)
    assert (label.shape, centre.shape, radius.shape) == ((0,), (0, 2), (0,))
    assert polygons(centre, radius).shape == (0, 24, 2)


def test_polygons_have_exactly_the_circles_boxes():
    corners = polygons(np.array([[5.0, 7.0]]), np.array([3.0]))[0]
    np.testing.assert_allclose([corners.min(0), corners.max(0)], [[2, 4], [8, 10]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(corners - [5, 7], axis=1), 3.0)
