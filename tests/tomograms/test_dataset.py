import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import tomograms.phantom
from tests.tomograms.trees import volume_folder, write_config, write_tree
from tomograms.dataset import DataRecord, open_dataset, open_recorded
from tomograms.kaggle_tree import SIMULATED
from tomograms.particles import CZII

PICKS = {"TS_1": {"ribosome": [(50, 40, 30)]}}


def test_a_record_opens_the_same_data_again(tmp_path):
    data = open_dataset(write_tree(tmp_path, PICKS), voxel_spacing=10.0, session="0")
    record = json.loads(json.dumps(asdict(data.record())))
    assert record == {
        "root": str(tmp_path),
        "tomogram_type": "denoised",
        "user": None,
        "session": "0",
        "voxel_spacing": 10.0,
        "working_voxel_size": None,
        "mask": None,
        "picks": None,
    }
    again = open_recorded(DataRecord(**record))
    assert again.record() == data.record()
    assert again.fingerprint(["TS_1"]) == data.fingerprint(["TS_1"])


def test_a_relative_root_is_recorded_in_full(tmp_path, monkeypatch):
    write_tree(tmp_path / "data", PICKS)
    monkeypatch.chdir(tmp_path)
    assert open_dataset(Path("data")).record().root == str(tmp_path / "data")


def test_without_a_path_it_is_the_phantom_whose_place_is_not_recorded(tmp_path, monkeypatch):
    write_tree(tmp_path, {"PH_1": PICKS["TS_1"]})
    (tmp_path / SIMULATED).write_text("{}")
    monkeypatch.setattr(tomograms.phantom, "phantom_root", lambda: tmp_path)
    data = open_dataset(None)
    assert data.simulated
    assert data.root == tmp_path
    assert data.record().root is None
    assert open_recorded(data.record()).root == tmp_path


def test_both_kinds_of_source_give_the_same(tmp_path):
    root = write_tree(tmp_path, PICKS)
    tree, project = open_dataset(root), open_dataset(write_config(root / "project.json"))
    assert tree.particles == project.particles == CZII
    assert tree.picks("TS_1").equals(project.picks("TS_1"))
    assert np.array_equal(tree.tomogram("TS_1").volume, project.tomogram("TS_1").volume)


def test_the_volume_is_not_read_for_shape_and_voxel_size(tmp_path):
    data = open_dataset(write_tree(tmp_path, PICKS))
    for chunk in tmp_path.glob("train/static/ExperimentRuns/*/*/*/0/0/0/*"):
        chunk.unlink()
    assert data.shape("TS_1") == (9, 12, 15)
    assert data.voxel_size("TS_1") == pytest.approx(10.012444)


def test_extents_of_what_is_there_leave_out_missing_and_damaged_tomograms(tmp_path):
    dataset = open_dataset(write_tree(tmp_path, {"TS_1": {}, "TS_2": {}, "TS_3": {}}))
    (volume_folder(tmp_path, "TS_2") / ".zattrs").write_text("{")
    shutil.rmtree(volume_folder(tmp_path, "TS_3"))
    assert set(dataset.known_extents(["TS_1", "TS_2", "TS_3"])) == {"TS_1"}
    assert (dataset.has_tomogram("TS_2"), dataset.has_tomogram("TS_3")) == (True, False)
