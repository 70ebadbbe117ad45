import json
import re
import shutil

import numpy as np
import pytest

from tests.tomograms.trees import SHAPE, VOXEL_SIZE, grey, picks_folder, set_voxel_size, volume_folder, write_tree
from tomograms.dataset import open_dataset
from tomograms.errors import InputError
from tomograms.kaggle_tree import SIMULATED, KaggleTree
from tomograms.ome_zarr import write_volume
from tomograms.particles import CZII
from tomograms.picks import write_pick_set
from tomograms.tomogram import normalise

PICKS = {"ribosome": [(50, 40, 30), (10, 20, 30.5)], "apo-ferritin": [(0, 0, 0)], "thyroglobulin": []}


@pytest.fixture
def root(tmp_path):
    write_tree(tmp_path, {"TS_2": PICKS, "TS_1": {}})
    return write_tree(tmp_path, {"TS_101": {}}, split="test")


def test_what_was_written_is_read(root):
    data = open_dataset(root)
    assert data.runs("train") == ("TS_1", "TS_2")
    assert data.runs("test") == ("TS_101",)
    assert data.particles == CZII
    assert data.shape("TS_2") == SHAPE
    assert data.voxel_size("TS_2") == VOXEL_SIZE
    tomogram = data.tomogram("TS_2")
    assert (tomogram.name, tomogram.voxel_size) == ("TS_2", VOXEL_SIZE)
    assert np.array_equal(tomogram.volume, normalise(grey(0)))
    assert data.picks("TS_2").to_numpy().tolist() == [
        ["TS_2", "apo-ferritin", 0.0, 0.0, 0.0],
        ["TS_2", "ribosome", 50.0, 40.0, 30.0],
        ["TS_2", "ribosome", 10.0, 20.0, 30.5],
    ]


def test_runs_without_picks_have_an_empty_table_of_the_same_types(root):
    data = open_dataset(root)
    assert data.has_picks("TS_2")
    assert not data.has_picks("TS_1")
    assert len(data.picks("TS_1")) == 0
    assert data.picks("TS_1").dtypes.equals(data.picks("TS_2").dtypes)
    assert not data.has_picks("TS_101")


def test_truth_of_test_runs_is_read_where_it_is_there(root):
    write_pick_set(
        picks_folder(root, "TS_101", split="test") / "ribosome.json", np.ones((1, 3)), user="", session="", run=""
    )
    assert open_dataset(root).picks("TS_101").particle_type.tolist() == ["ribosome"]


def test_a_run_of_both_splits_counts_as_training(root):
    write_tree(root, {"other": {}, "TS_2": {}}, split="test")
    data = open_dataset(root)
    assert "TS_2" in data.runs("test")
    assert np.array_equal(data.tomogram("TS_2").volume, normalise(grey(0)))
    assert data.has_picks("TS_2")


def test_a_tree_of_test_runs_alone(tmp_path):
    data = open_dataset(write_tree(tmp_path, {"TS_101": {}}, split="test"))
    assert (data.runs("train"), data.runs("test")) == ((), ("TS_101",))


def test_only_a_tree_that_says_so_is_simulated(root):
    assert not open_dataset(root).simulated
    (root / SIMULATED).write_text("{}")
    assert open_dataset(root).simulated


def test_hidden_files_are_passed_over(root):
    (root / "train/static/ExperimentRuns/.DS_Store").write_text("")
    (root / "train/static/ExperimentRuns/.trash").mkdir()
    (picks_folder(root, "TS_2") / "._ribosome.json").write_text("not JSON")
    data = open_dataset(root)
    assert data.runs("train") == ("TS_1", "TS_2")
    assert len(data.picks("TS_2")) == 3


def error(function, *arguments, **options):
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_folders(tmp_path, root):
    assert re.search("nowhere: no such data", error(open_dataset, tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    assert re.search("empty: expected a folder with train/static", error(open_dataset, tmp_path / "empty"))
    message = error(open_dataset(root).tomogram, "TS_9")
    assert re.search("expected a run named TS_9, but there are TS_1, TS_101, TS_2", message)


def test_a_missing_tomogram_type_lists_those_that_exist(root):
    volume = volume_folder(root, "TS_2")
    shutil.copytree(volume, volume.parent / "wbp.zarr")
    message = error(open_dataset(root, tomogram_type="isonet").tomogram, "TS_2")
    assert re.search(r"isonet.zarr: no such tomogram type; there are denoised, wbp$", message)
    assert open_dataset(root, tomogram_type="wbp").tomogram("TS_2").volume.shape == SHAPE


def test_voxel_spacings(root):
    run = volume_folder(root, "TS_2").parent.parent
    message = error(open_dataset(root, voxel_spacing=9.0).tomogram, "TS_2")
    assert re.search("TS_2: expected the voxel spacing 9.000, but got 10.000$", message)
    (run / "VoxelSpacing10.000").rename(run / "VoxelSpacing7.840")
    set_voxel_size(run / "VoxelSpacing7.840" / "denoised.zarr", 7.84)
    assert open_dataset(root).shape("TS_2") == SHAPE
    shutil.copytree(run / "VoxelSpacing7.840", run / "VoxelSpacing13.480")
    set_voxel_size(run / "VoxelSpacing13.480" / "denoised.zarr", 13.48)
    message = error(open_dataset(root).tomogram, "TS_2")
    assert re.search(r"TS_2: expected one voxel spacing or a choice of one, but got 13.480, 7.840$", message)
    assert open_dataset(root, voxel_spacing=13.48).shape("TS_2") == SHAPE
    shutil.rmtree(run / "VoxelSpacing7.840")
    shutil.rmtree(run / "VoxelSpacing13.480")
    assert re.search("expected one voxel spacing .*, but got no tomogram", error(open_dataset(root).tomogram, "TS_2"))


@pytest.mark.parametrize(("size", "right"), [(10.012444, True), (9.93, True), (10.2, False), (5.0, False)])
def test_voxel_size_and_the_name_of_the_folder_agree(root, size, right):
    set_voxel_size(volume_folder(root, "TS_2"), size)
    if right:
        assert open_dataset(root).voxel_size("TS_2") == pytest.approx(size)
    else:
        message = error(open_dataset(root).voxel_size, "TS_2")
        expected = f"expected the voxel size of its folder, 10.000 Å within 1 %, but its metadata say {size:g} Å"
        assert message.endswith(f"denoised.zarr: {expected}")


@pytest.mark.parametrize("name", ["", "ten", "0.000", "nan", "-10.000"])
def test_a_folder_that_tells_no_voxel_size(root, name):
    run = volume_folder(root, "TS_2").parent.parent
    (run / "VoxelSpacing10.000").rename(run / f"VoxelSpacing{name}")
    assert "expected" in error(open_dataset(root).voxel_size, "TS_2")


def test_a_volume_without_contrast_is_named(root):
    volume = volume_folder(root, "TS_1")
    shutil.rmtree(volume)
    write_volume(volume, np.zeros(SHAPE, np.float32), 10.0)
    assert re.search(
        r"TS_1.*denoised.zarr: expected a volume with contrast", error(open_dataset(root).tomogram, "TS_1")
    )


def test_an_undeclared_species_is_named_with_those_that_are_known(root):
    file = picks_folder(root, "TS_2") / "foo.json"
    write_pick_set(file, np.ones((1, 3)), user="a", session="1", run="TS_2")
    message = error(open_dataset(root).picks, "TS_2")
    assert re.search(
        r"foo.json: expected one of the species apo-ferritin, .*, virus-like-particle, but got foo$", message
    )


@pytest.mark.parametrize(
    ("name", "point", "inside"),
    [
        ("ribosome", (144, 0, 0), True),  # (15 - 0.5) * 10.012444 = 145.2 Å
        ("ribosome", (145.1 + 75, 0, 0), True),  # half a radius further out
        ("ribosome", (145.3 + 75, 0, 0), False),
        ("apo-ferritin", (145.1 + 30, 0, 0), True),
        ("apo-ferritin", (145.3 + 30, 0, 0), False),
        ("apo-ferritin", (0, -34, 0), True),
        ("apo-ferritin", (0, -36, 0), False),
        ("apo-ferritin", (0, 0, 116), True),  # (9 - 0.5) * 10.012444 + 30 = 115.1 Å
    ],
)
def test_a_pick_that_no_prediction_inside_can_hit_is_refused(tmp_path, name, point, inside):
    inside = inside and point != (0, 0, 116)
    data = open_dataset(write_tree(tmp_path, {"TS_1": {name: [(1, 2, 3), point]}}))
    if inside:
        assert len(data.picks("TS_1")) == 2
    else:
        message = error(data.picks, "TS_1")
        assert re.search(rf"{name}.json: point 1: .*-5.0 to 145.2, -5.0 to 115.1, -5.0 to 85.1 Å", message)


def test_picks_that_are_not_json_are_named(root):
    (picks_folder(root, "TS_2") / "ribosome.json").write_text("[")
    assert re.search("ribosome.json: expected JSON", error(open_dataset(root).picks, "TS_2"))


def test_users_and_sessions(root):
    folder = picks_folder(root, "TS_2")
    first, second = np.array([[1.0, 2, 3]]), np.array([[4.0, 5, 6]])
    write_pick_set(folder / "ann_1_ribosome.json", first, user="ann", session="1", run="TS_2")
    write_pick_set(folder / "ann_2_ribosome.json", second, user="ann", session="2", run="TS_2")
    message = error(open_dataset(root).picks, "TS_2")
    assert re.search("expected one set of picks of ribosome, but got ann/1, ann/2, curation/0", message)
    assert re.search("ann/1, ann/2", error(open_dataset(root, user="ann").picks, "TS_2"))
    assert open_dataset(root, user="ann", session="2").picks("TS_2").x.tolist() == [4.0]
    assert open_dataset(root, session="1").picks("TS_2").x.tolist() == [1.0]
    assert len(open_dataset(root, user="curation").picks("TS_2")) == 3
    assert re.search("expected picks of user bob, session any", error(open_dataset, root, user="bob"))


def test_two_files_with_the_same_picks_are_one_set(root):
    folder = picks_folder(root, "TS_2")
    shutil.copy(folder / "ribosome.json", folder / "curation_0_ribosome.json")
    assert len(open_dataset(root).picks("TS_2")) == 3


def test_the_fingerprint_follows_picks_and_volumes_and_not_the_place(tmp_path, root):
    first = open_dataset(root).fingerprint(["TS_1", "TS_2"])
    assert open_dataset(root).fingerprint(["TS_2", "TS_1"]) == first
    assert open_dataset(root).fingerprint(["TS_2"]) != first
    moved = tmp_path / "moved"
    shutil.copytree(root / "train", moved / "train")
    assert open_dataset(moved).fingerprint(["TS_1", "TS_2"]) == first
    file = picks_folder(moved, "TS_2") / "ribosome.json"
    content = json.loads(file.read_text())
    content["points"][0]["location"]["x"] += 0.001
    file.write_text(json.dumps(content))
    assert open_dataset(moved).fingerprint(["TS_1", "TS_2"]) != first
    shutil.copytree(root / "train", moved / "train", dirs_exist_ok=True)
    assert open_dataset(moved).fingerprint(["TS_1", "TS_2"]) == first
    (volume_folder(moved, "TS_1") / "0/0/0/0").write_bytes(b"other")
    assert open_dataset(moved).fingerprint(["TS_1", "TS_2"]) != first


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "TS_1/VoxelSpacing10.000", "TS_9"])
def test_only_a_folder_of_a_split_is_a_run(tmp_path, name):
    root = write_tree(tmp_path, {"TS_1": {}})
    (root / "train/static/ExperimentRuns/.hidden").mkdir()
    assert open_dataset(root).source.names() == ("TS_1",)
    with pytest.raises(InputError, match="there are TS_1"):
        open_dataset(root).source.volume(name)


def test_a_run_of_both_splits_is_named_once_and_read_as_training(tmp_path):
    root = write_tree(tmp_path, {"TS_1": {}, "TS_2": {}})
    write_tree(root, {"TS_2": {}, "TS_3": {}}, split="test")
    data = open_dataset(root)
    assert data.source.names() == ("TS_1", "TS_2", "TS_3")
    assert "/train/" in data.source.volume("TS_2").source and "/test/" in data.source.volume("TS_3").source


def test_one_run_is_found_without_listing_the_others(tmp_path, monkeypatch):
    """With thousands of runs a listing at every call would take most of the time."""
    data = open_dataset(write_tree(tmp_path, {"TS_1": {}, "TS_2": {}}))
    monkeypatch.setattr(KaggleTree, "runs", None)
    assert data.shape("TS_2") == SHAPE and data.source.pick_sets("TS_2") == []
