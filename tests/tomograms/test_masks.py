"""Masks: found by name, checked, brought to the tomogram's grid, and what they leave of volumes and picks."""

import shutil

import mrcfile
import numpy as np
import pytest

from tests.tomograms.arrays import write_format_2
from tests.tomograms.trees import write_config
from tomograms.dataset import open_dataset, open_recorded
from tomograms.errors import InputError
from tomograms.kaggle_tree import write_run
from tomograms.masks import held_by, to_grid
from tomograms.ome_zarr import write_volume

SHAPE = (20, 24, 28)
INSIDE = (slice(6, 16), slice(0, 24), slice(0, 20))


def slab(shape=SHAPE, where=INSIDE):
    mask = np.zeros(shape, np.int8)
    mask[where] = 1
    return mask


def write_mask(path, mask, voxel_size=10.0):
    path.parent.mkdir(exist_ok=True)
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(mask)
        if voxel_size:
            file.voxel_size = voxel_size
    return path


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, run in enumerate(("A", "B")):
        volume = 100 * np.random.default_rng(seed).normal(size=SHAPE) + 3  # outside: as loud as gold and carbon
        volume[INSIDE] = np.random.default_rng(seed + 9).normal(size=(10, 24, 20)) * 2 + 7
        picks = {"ribosome": [[100, 100, 100], [100, 100, 30], [240, 50, 100]]}
        picks = {name: np.array(xyz, float) for name, xyz in picks.items()}
        write_run(tmp_path / "data", "train", run, volume=volume.astype(np.float32), voxel_size=10.0, picks=picks)
    return tmp_path / "data"


@pytest.fixture
def masks(data, tmp_path):
    for run in ("A", "B"):
        write_mask(tmp_path / f"masks/{run}.mrc", slab())
    return tmp_path / "masks"


def test_outside_the_mask_a_tomogram_is_blank_and_statistics_are_those_inside(data, masks):
    tomogram = open_dataset(data, mask="masks").tomogram("A")
    assert tomogram.mask.sum() == 10 * 24 * 20
    assert not tomogram.volume[~tomogram.mask].any()
    values = tomogram.volume[INSIDE]
    assert abs(np.median(values)) < 1e-6 and np.isclose(1.4826 * np.median(np.abs(values)), 1, rtol=1e-5)


def test_picks_outside_the_mask_are_no_truth(data, masks):
    whole, masked = open_dataset(data), open_dataset(data, mask="masks")
    assert masked.picks("A")[["x", "y", "z"]].to_numpy().tolist() == [[100, 100, 100]]
    assert (masked.outside_mask("A"), whole.outside_mask("A"), len(whole.picks("A"))) == (2, 0, 3)
    assert masked.has_picks("A")


def test_a_pick_lies_where_its_nearest_voxel_does_and_one_outside_the_volume_where_the_edge_does():
    mask = slab((3, 3, 3), (slice(0, 1), slice(0, 3), slice(0, 2)))
    positions = [[14.9, 0, 4.9], [15.1, 0, 4.9], [14.9, 0, 5.1], [-20, 30, -20]]
    assert held_by(mask.astype(bool), positions, 10.0).tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    "kind",
    [
        *("bytes", "signed bytes of 255", "IMOD", "IMOD 255", "soft", "overshoot", "zarr", "booleans", "sparse"),
        *("no voxel size", "packed"),
    ],
)
def test_masks_as_programs_write_them(data, masks, kind):
    path = masks / "A.mrc"
    match kind:
        case "signed bytes of 255":
            write_mask(path, slab() * np.int8(-1))
        case "IMOD" | "IMOD 255":
            write_mask(path, (slab().astype(int) * (255 if kind == "IMOD 255" else 1) - 128).astype(np.int8))
        case "soft":
            write_mask(path, np.where(slab() == 1, 0.7, 0.4).astype(np.float32))
        case "overshoot":
            write_mask(path, np.where(slab() == 1, 1.04, -1e-8).astype(np.float32))
        case "booleans" | "sparse":
            path.unlink()
            write_volume(masks / "A.zarr", slab().astype(np.float32), 10.0)
            shutil.rmtree(masks / "A.zarr/0")
            write_format_2(masks / "A.zarr/0", slab() == 1 if kind == "booleans" else slab(), chunks=(3, 24, 28))
            if kind == "sparse":  # as zarr 3 writes it
                for file in ("0.0.0", "1.0.0", "6.0.0"):
                    (masks / "A.zarr/0" / file).unlink()
        case "zarr":
            path.unlink()
            write_volume(masks / "A.zarr", slab().astype(np.float32), 10.0)
        case "no voxel size":
            write_mask(path, slab(), voxel_size=None)
        case "packed":
            path.unlink()
            with mrcfile.new(masks / "A.mrc.gz", compression="gzip") as file:
                file.set_data(slab())
                file.voxel_size = 10.0
    assert np.array_equal(open_dataset(data, mask="masks").tomogram("A").mask, slab() == 1)


def test_a_copick_segmentation_is_a_mask(data, tmp_path):
    runs = data / "train/overlay/ExperimentRuns"
    for run in ("A", "B"):
        for user in ("alice", "bob"):
            where = INSIDE if user == "alice" else np.s_[:2]
            volume = slab(where=where).astype(np.float32)
            write_volume(runs / run / "Segmentations" / f"10.000_{user}_1_slab.zarr", volume, 10.0)
    config = write_config(data / "project.json")
    shutil.rmtree(runs / "B/Segmentations/10.000_alice_1_slab.zarr/0")
    write_format_2(runs / "B/Segmentations/10.000_alice_1_slab.zarr/0", slab() == 1, chunks=(3, 24, 28))
    (runs / "B/Segmentations/10.000_alice_1_slab.zarr/0/0.0.0").unlink()
    masked = open_dataset(config, mask="slab:alice/1")
    assert np.array_equal(masked.tomogram("B").mask, slab() == 1)
    assert masked.record().mask == "slab:alice/1"
    with pytest.raises(InputError, match=r"run A: expected one segmentation slab as mask, but got .*alice.*bob"):
        open_dataset(config, mask="slab").tomogram("A")
    with pytest.raises(InputError, match="or a segmentation of a copick project, but got 'membrane'"):
        open_dataset(config, mask="membrane")


def test_a_mask_of_other_voxels_is_brought_to_the_grid_by_the_nearest(data, masks):
    coarse = np.zeros((10, 12, 14), np.int8)
    coarse[3:8, :, :10] = 1
    write_mask(masks / "A.mrc", coarse, 20.0)
    mask = open_dataset(data, mask="masks").tomogram("A").mask
    index = np.minimum(np.rint(np.arange(20) / 2).astype(int), 9)
    assert np.array_equal(mask.any(axis=(1, 2)), (index >= 3) & (index < 8))


def test_a_resampled_tomogram_has_its_mask_resampled(data, masks):
    tomogram = open_dataset(data, mask="masks", working_voxel_size=20.0).tomogram("A")
    assert tomogram.mask.shape == tomogram.volume.shape == (10, 12, 14)
    assert tomogram.mask.any(axis=(1, 2)).tolist() == [False] * 3 + [True] * 5 + [False] * 2
    assert not tomogram.volume[~tomogram.mask].any()
    assert np.array_equal(to_grid(tomogram.mask, 20.0, (10, 12, 14), 20.0), tomogram.mask)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda path: path.unlink(), "expected a mask called as the tomogram A, but found none"),
        (lambda path: write_mask(path, slab() * np.int8(0)), r"A\.mrc: expected a mask that holds some voxel"),
        (lambda path: write_mask(path, slab() * np.int8(0) + np.int8(-128)), "expected a mask that holds some voxel"),
        (
            lambda path: write_mask(path, slab() * np.float32(1.2)),
            "expected a mask, of whole numbers or from 0 to 1, but got 0 to 1.2",
        ),
        (lambda path: write_mask(path, slab() + np.int8(1)), r"A\.mrc: expected a mask with 0 outside, but got 1 to 2"),
        (
            lambda path: write_mask(path, slab()[1:]),
            r"its tomogram, \(20, 24, 28\) voxels of 10 Å, but got \(19,",
        ),
        (lambda path: write_mask(path, slab(), 20.0), r"fills its tomogram, .* but got \(20, 24, 28\) voxels of 20 Å"),
        (
            lambda path: write_mask(path, np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)),
            "expected a mask, of whole numbers or from 0 to 1, but got -",
        ),
        (lambda path: path.write_bytes(b"<!DOCTYPE html>"), r"A\.mrc: expected an intact MRC file"),
        (lambda path: write_mask(path.with_suffix(".rec"), slab()), "expected one mask a tomogram, but got A.mrc and"),
    ],
)
def test_a_faulty_mask_is_refused_in_one_line(data, masks, change, rule):
    change(masks / "A.mrc")
    with pytest.raises(InputError, match=rule) as caught:
        open_dataset(data, mask="masks").tomogram("A")
    assert "\n" not in str(caught.value)


def test_masks_are_part_of_the_fingerprint_and_found_again_from_another_folder(data, masks, monkeypatch):
    one = open_dataset(data, mask="masks")
    before = one.fingerprint(["A"]), one.volume_hash("A"), one.masks.fingerprint(["A"])
    monkeypatch.chdir("/")
    assert open_recorded(one.record()).fingerprint(["A"]) == before[0]
    write_mask(masks / "A.mrc", slab(where=np.s_[7:16]))
    one = open_dataset(data, mask=str(masks))
    after = one.fingerprint(["A"]), one.volume_hash("A"), one.masks.fingerprint(["A"])
    assert not set(before) & set(after)
    assert open_dataset(data).fingerprint(["A"]) not in (*before, *after)
