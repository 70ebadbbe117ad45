"""A hundredth of ``make fuzz``, and what that has found."""

import json
import warnings

import mrcfile
import numpy as np
import pytest

from tests.fuzz.parsers import PARSERS, fuzz
from tests.tomograms.trees import volume_folder, write_tree
from tomograms.dataset import open_dataset
from tomograms.errors import InputError
from tomograms.particles import from_copick


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_files_give_a_result_or_one_line(tmp_path, name, seed):
    assert not fuzz(PARSERS[name], tmp_path, 50, seed)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": None},
        {"shape": [9, 12, None]},
        {"shape": [9, 12, True]},
        {"shape": [9, 12, 10**30]},
        {"shape": [10**6, 10**6, 10**6]},
        {"dimension_separator": []},
        {"dimension_separator": "\\"},
    ],
    ids=str,
)
def test_metadata_of_an_array(tmp_path, change):
    root = write_tree(tmp_path, {"TS_1": {}})
    file = volume_folder(root, "TS_1") / "0" / ".zarray"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=r"denoised\.zarr"):
        open_dataset(root).tomogram("TS_1")


def test_a_unit_that_is_a_list(tmp_path):
    root = write_tree(tmp_path, {"TS_1": {}})
    file = volume_folder(root, "TS_1") / ".zattrs"
    content = json.loads(file.read_text())
    content["multiscales"][0]["axes"][1]["unit"] = ["angstrom"]
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="expected axes in angstrom, nanometer"):
        open_dataset(root).tomogram("TS_1")


def test_metadata_of_a_species_that_are_text():
    with pytest.raises(InputError, match="expected an object as metadata of a, but got 'x'"):
        from_copick([{"name": "a", "label": 1, "radius": 9, "metadata": "x"}], "config.json")


def test_values_that_overflow_are_clipped(tmp_path):
    damage = PARSERS["MRC header"].make(tmp_path)
    with damage.open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\xff\xff\x7f\x7f")  # the largest float32
    with warnings.catch_warnings(action="error"):
        assert open_dataset(tmp_path / "data").tomogram("TS_1").volume.max() == 6


def test_a_spread_whose_reciprocal_overflows(tmp_path):
    path = PARSERS["MRC header"].make(tmp_path)
    with mrcfile.mmap(path, "r+") as file:
        file.data[:] *= np.float32(1e-42)
    with warnings.catch_warnings(action="error"), pytest.raises(InputError, match="contrast"):
        open_dataset(tmp_path / "data").tomogram("TS_1")
