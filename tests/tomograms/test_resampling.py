import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tomograms.trees import VOXEL_SIZE, set_voxel_size, volume_folder, write_tree
from tomograms.dataset import open_dataset, open_recorded
from tomograms.errors import InputError
from tomograms.resampling import resample, weights


def blob(shape, centre, sigma):
    """Return a Gaussian; centre and sigma in voxels, (z, y, x)."""
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    squares = sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True))
    return np.exp(-squares / (2 * sigma**2)).astype(np.float32)


def centre_of_mass(volume):
    axes = np.meshgrid(*(np.arange(n) for n in volume.shape), indexing="ij")
    return np.array([(axis * volume).sum() / volume.sum() for axis in axes])


@given(st.floats(0.4, 3.0), st.tuples(*[st.floats(22, 26)] * 3))
@settings(max_examples=25)
def test_centres_stay_where_they_are(factor, centre):
    out = resample(blob((48, 47, 50), centre, 4.0), factor)
    np.testing.assert_allclose(centre_of_mass(out) * factor, centre, atol=0.05)


@given(st.integers(4, 40), st.floats(0.3, 4.0))
@settings(max_examples=50)
def test_the_grid_lies_inside_and_a_constant_stays(size, factor):
    matrix = weights(size, factor)
    count = matrix.shape[0]
    assert (count - 1) * factor <= size - 1 + 1e-4 < count * factor + 1e-3
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-5)


def test_the_same_grid_changes_nothing():
    volume = np.random.default_rng(0).normal(size=(7, 8, 9)).astype(np.float32)
    np.testing.assert_allclose(resample(volume, 1.0), volume, atol=1e-6)


def test_finer_grids_follow_a_parabola():
    z = np.arange(12, dtype=np.float32)
    volume = np.broadcast_to((z**2)[:, None, None], (12, 5, 5)).copy()
    out = resample(volume, 0.5)[:, 0, 0]
    np.testing.assert_allclose(out[4:-4], (np.arange(len(out)) * 0.5)[4:-4] ** 2, rtol=1e-5)


def test_what_the_coarse_grid_cannot_hold_is_taken_out():
    x = np.arange(200)
    low, high = (np.broadcast_to(np.cos(2 * np.pi * x / period).astype(np.float32), (8, 8, 200)) for period in (40, 3))
    out = resample(np.ascontiguousarray(low), 2.0)[0, 0]
    np.testing.assert_allclose(out[4:-4], low[0, 0, ::2][4:-4], atol=0.03)
    assert np.abs(resample(np.ascontiguousarray(high), 2.0)[0, 0, 4:-4]).max() < 0.2


def test_a_data_set_in_another_voxel_size(tmp_path):
    root = write_tree(tmp_path / "data", {"TS_1": {"ribosome": [(50, 40, 30)]}})
    dataset = open_dataset(root)
    coarse = open_recorded(replace(dataset.record(), working_voxel_size=20.0))
    tomogram = coarse.tomogram("TS_1")
    assert tomogram.voxel_size == 20.0 and tomogram.volume.shape == (5, 6, 8)
    assert 1.4826 * np.median(np.abs(tomogram.volume)) == pytest.approx(1, abs=0.02)
    assert coarse.voxel_size("TS_1") == VOXEL_SIZE and coarse.picks("TS_1").equals(dataset.picks("TS_1"))
    near = open_dataset(root, working_voxel_size=10.0).tomogram("TS_1")
    assert near.voxel_size == VOXEL_SIZE and np.array_equal(near.volume, dataset.tomogram("TS_1").volume)


def test_voxels_that_are_far_too_large(tmp_path):
    root = write_tree(tmp_path / "data", {"TS_1": {}})
    folder = volume_folder(root, "TS_1")
    shutil.move(folder.parent, folder.parent.parent / "VoxelSpacing50.000")
    set_voxel_size(folder.parent.parent / "VoxelSpacing50.000" / "denoised.zarr", 50.0)
    with pytest.raises(InputError, match=r"denoised.zarr: expected a voxel size of at most 4 times 10 Å.*got 50 Å"):
        open_dataset(root, working_voxel_size=10.0).tomogram("TS_1")


@pytest.mark.parametrize("size", [0.01, 1e-9])
def test_voxels_that_are_far_too_small(tmp_path, size):
    root = write_tree(tmp_path / "data", {"TS_1": {}})
    folder = volume_folder(root, "TS_1")
    shutil.move(folder.parent, folder.parent.parent / f"VoxelSpacing{size}")
    set_voxel_size(folder.parent.parent / f"VoxelSpacing{size}" / "denoised.zarr", size)
    with pytest.raises(
        InputError, match=rf"denoised.zarr: expected a voxel size of at least 1/32 of 10 Å.*got {size} Å"
    ):
        open_dataset(root, working_voxel_size=10.0).tomogram("TS_1")
