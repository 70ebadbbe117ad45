import json
import shutil
import tempfile
from pathlib import Path

import numcodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tomograms.arrays import level, write_format_2
from tomograms.errors import InputError
from tomograms.ome_zarr import find_volume, open_store, write_volume
from tomograms.stores import DictStore

SHAPE = (70, 20, 300)  # two chunks along z and two along x


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "denoised.zarr"
    write_volume(path, np.random.default_rng(0).normal(size=SHAPE).astype(np.float32), 10.012444)
    return path


def find(path):
    return find_volume(open_store(path), str(path))


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_round_trip(folder):
    stored = find(folder)
    assert (stored.shape, stored.voxel_size) == (SHAPE, 10.012444)
    assert list(stored.layout.files()) == ["0/0/0", "0/0/1", "1/0/0", "1/0/1"]
    volume = stored.read()
    assert volume.dtype == np.float32
    assert np.array_equal(volume, np.random.default_rng(0).normal(size=SHAPE).astype(np.float32))


@given(
    st.tuples(*[st.integers(1, 7)] * 3),
    st.tuples(*[st.integers(1, 4)] * 3),
    st.sampled_from(["/", "."]),
    st.sampled_from(["<f4", ">f4", "<f8", "<f2", "<i2", "|u1"]),
    st.sampled_from("CF"),
)
@settings(max_examples=25)
def test_any_layout_reads_as_it_was_written(shape, chunks, separator, dtype, order):
    data = np.random.default_rng(0).integers(0, 99, shape).astype(dtype)
    multiscale = level(2.0, path="full", unit=None)
    multiscale["coordinateTransformations"] = [{"type": "scale", "scale": [3.0, 3.0, 3.0]}]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_format_2(folder / "full", data, chunks=chunks, separator=separator, order=order, fill=None)
        (folder / ".zattrs").write_text(json.dumps({"multiscales": [multiscale]}))
        stored = find(folder)
        assert stored.voxel_size == 6.0
        volume = stored.read()
    assert volume.dtype == np.float32
    assert np.array_equal(volume, data)


def test_nested_chunks_that_do_not_say_so(folder):
    expected = find(folder).read()
    edit(folder / "0" / ".zarray", lambda array: array.pop("dimension_separator"))
    assert np.array_equal(find(folder).read(), expected)


def test_the_fingerprint_of_recorded_runs_stays_what_it_was():
    multiscale = {
        "axes": [{"name": name} for name in "zyx"],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [2.0, 2.0, 2.0]}]}],
    }
    array = {"zarr_format": 2, "shape": [2, 1, 3], "chunks": [1, 1, 3], "dtype": "<f4", "dimension_separator": "/"}
    store = {
        ".zattrs": json.dumps({"multiscales": [multiscale]}).encode(),
        "0/.zarray": json.dumps(array).encode(),
        "0/0/0/0": b"twelve bytes",
    }
    assert find_volume(DictStore(store), "memory").fingerprint() == "fed75b908e3ca78d161bb9c7a4e9dbfe"


def test_nanometres_become_angstrom(folder):
    def change(content):
        for axis in content["multiscales"][0]["axes"]:
            axis["unit"] = "nanometer"

    edit(folder / ".zattrs", change)
    assert find(folder).voxel_size == pytest.approx(100.12444)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.clear(), "expected OME-NGFF multiscales"),
        (lambda c: c["multiscales"].clear(), "expected OME-NGFF multiscales"),
        (lambda c: c["multiscales"][0].pop("axes"), "expected OME-NGFF multiscales"),
        (lambda c: c["multiscales"][0].update(axes=list("zyx")), "expected OME-NGFF multiscales"),
        (
            lambda c: c["multiscales"][0]["datasets"][0].pop("coordinateTransformations"),
            "expected OME-NGFF multiscales",
        ),
        (lambda c: c["multiscales"][0]["axes"].reverse(), "expected the axes z, y, x"),
        (lambda c: c["multiscales"][0]["axes"][0].update(unit="parsec"), "expected axes in angstrom, nanometer"),
        (lambda c: scale(c, [10, 10, 10.02]), "expected cubic voxels"),
        (lambda c: scale(c, [0, 0, 0]), "expected cubic voxels"),
        (lambda c: scale(c, [float("nan")] * 3), "expected cubic voxels"),
        (lambda c: scale(c, [10, 10]), "expected the axes z, y, x with three scales"),
        (lambda c: scale(c, ["a", 10, 10]), "expected OME-NGFF multiscales"),
    ],
)
def test_wrong_metadata_are_named(folder, change, message):
    edit(folder / ".zattrs", change)
    with pytest.raises(InputError, match=f"denoised.zarr/.zattrs: {message}"):
        find(folder)


def scale(content, values):
    content["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] = values


@pytest.mark.parametrize("place", ["dataset", "level"])
def test_a_translated_volume_is_refused(folder, place):
    def translate(by):
        def change(content):
            level = content["multiscales"][0]
            owner = level["datasets"][0] if place == "dataset" else level
            steps = [step for step in owner.get("coordinateTransformations", []) if step["type"] == "scale"]
            owner["coordinateTransformations"] = [*steps, {"type": "translation", "translation": by}]

        edit(folder / ".zattrs", change)

    translate([0.0, 0.0, 0.05])  # half a hundredth of a voxel
    assert find(folder).voxel_size == 10.012444
    translate([0.0, 0.0, 120.0])
    with pytest.raises(InputError, match=r".zattrs: expected no translation, .* but got \[0.0, 0.0, 120.0\]"):
        find(folder)


def test_almost_cubic_voxels_are_averaged(folder):
    edit(folder / ".zattrs", lambda content: scale(content, [10.0, 10.0, 10.009]))
    assert find(folder).voxel_size == pytest.approx((10 + 10 + 10.009) / 3)


@pytest.mark.parametrize("name", [".zattrs", "0/.zarray"])
def test_missing_and_broken_metadata_files(folder, name):
    (folder / name).write_text("{")
    with pytest.raises(InputError, match=f"{name}: expected JSON"):
        find(folder)
    (folder / name).write_text("[]")
    with pytest.raises(InputError, match=f"{name}: expected a JSON object"):
        find(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: no such file"):
        find(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [20, 300]}, r"expected a 3D volume \(z, y, x\), but got the shape \[20, 300\]"),
        ({"shape": [1, 70, 20, 300]}, "expected a 3D volume"),
        ({"shape": [0, 20, 300]}, "expected a 3D volume"),
        ({"dtype": "|S4"}, "expected an array of numbers"),
        ({"dtype": [["a", "<f4"]]}, "expected an array of numbers"),
        ({"chunks": [0, 20, 300]}, "expected an array of numbers"),
        ({"chunks": [20, 300]}, "expected an array of numbers"),
        ({"chunks": None}, "expected an array of numbers"),
        ({"zarr_format": 3}, "expected an array of numbers in Zarr format 2"),
    ],
)
def test_an_array_that_is_no_volume(folder, change, message):
    edit(folder / "0" / ".zarray", lambda content: content.update(change))
    with pytest.raises(InputError, match=f"denoised.zarr.*{message}"):
        find(folder)


def test_a_missing_chunk(folder):
    (folder / "0/1/0/1").unlink()
    with pytest.raises(InputError, match=r"denoised.zarr/0/1/0/1: expected a chunk .* missing"):
        find(folder).read()


@pytest.mark.parametrize("kept", [0, 7, 16, 100, -1])
def test_a_truncated_chunk(folder, kept):
    chunk = folder / "0/1/0/0"
    chunk.write_bytes(chunk.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"denoised.zarr/0/1/0/0: expected an intact chunk"):
        find(folder).read()


def test_an_unknown_codec(folder):
    edit(folder / "0" / ".zarray", lambda content: content["compressor"].update(id="mystery"))
    with pytest.raises(InputError, match=r"denoised.zarr/0: expected an array of Zarr format 2, but .*mystery"):
        find(folder).read()


def test_an_uncompressed_chunk_that_is_too_short(tmp_path):
    write_volume(tmp_path / "a.zarr", np.ones(SHAPE, np.float32), 10.0)
    edit(tmp_path / "a.zarr" / "0" / ".zarray", lambda content: content.update(compressor=None))
    with pytest.raises(InputError, match=r"a.zarr/0/0/0/0: expected an intact chunk"):
        find(tmp_path / "a.zarr").read()


@pytest.mark.parametrize("codec", [numcodecs.Blosc(), numcodecs.Zstd(), numcodecs.Zlib(), None])
@pytest.mark.parametrize("held", [(9, 12, 14), (9, 12, 16)])
def test_a_chunk_of_another_size_than_the_metadata_say(tmp_path, codec, held):
    """Intact in itself: the whole array is one chunk, which Zarr decodes straight to where it belongs."""
    write_volume(tmp_path / "a.zarr", np.ones((9, 12, 15), np.float32), 10.0)
    content = np.ones(held, np.float32)
    (tmp_path / "a.zarr" / "0/0/0/0").write_bytes(codec.encode(content) if codec else content.tobytes())
    compressor = codec and codec.get_config()
    edit(tmp_path / "a.zarr" / "0" / ".zarray", lambda content: content.update(compressor=compressor))
    with pytest.raises(InputError, match=r"a.zarr/0/0/0/0: expected (an intact chunk|finite voxels)"):
        find(tmp_path / "a.zarr").read()


@pytest.mark.parametrize("codec", [numcodecs.Zstd(), numcodecs.Zlib(), numcodecs.LZ4(), numcodecs.BZ2()])
def test_other_codecs_notice_what_is_cut_off(tmp_path, codec):
    write_volume(tmp_path / "a.zarr", np.ones((9, 12, 15), np.float32), 10.0)
    edit(tmp_path / "a.zarr" / "0" / ".zarray", lambda content: content.update(compressor=codec.get_config()))
    content = codec.encode(np.random.default_rng(0).normal(size=(9, 12, 15)).astype(np.float32))
    (tmp_path / "a.zarr" / "0/0/0/0").write_bytes(content)
    assert find(tmp_path / "a.zarr").read().std() > 0.9
    (tmp_path / "a.zarr" / "0/0/0/0").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a.zarr/0/0/0/0: expected an intact chunk"):
        find(tmp_path / "a.zarr").read()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_voxel_that_is_not_finite(tmp_path, value):
    volume = np.zeros(SHAPE, np.float32)
    volume[65, 3, 290] = value
    write_volume(tmp_path / "wbp.zarr", volume, 10.0)
    with pytest.raises(InputError, match=r"wbp.zarr/0/1/0/1: expected finite voxels, but got NaN or infinity"):
        find(tmp_path / "wbp.zarr").read()


def test_large_finite_values_are_not_taken_for_infinity(tmp_path):
    write_volume(tmp_path / "a.zarr", np.full((3, 4, 5), 3e38, np.float32), 10.0)
    assert np.all(find(tmp_path / "a.zarr").read() == np.float32(3e38))


def test_the_fingerprint_follows_every_byte(folder, tmp_path):
    first = find(folder).fingerprint()
    assert find(folder).fingerprint() == first
    moved = tmp_path / "elsewhere" / "wbp.zarr"
    shutil.copytree(folder, moved)
    assert find(moved).fingerprint() == first
    chunk = moved / "0/1/0/1"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    assert find(moved).fingerprint() != first
    shutil.copytree(folder, moved, dirs_exist_ok=True)
    edit(moved / ".zattrs", lambda content: scale(content, [9.0] * 3))
    assert find(moved).fingerprint() != first
