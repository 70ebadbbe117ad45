"""OME-Zarr 0.5: read with zarr 3, refused in one line with zarr 2."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from tests.tomograms.arrays import level, write_format_3, write_group_3
from tests.tomograms.trees import VOXEL_SIZE, grey, volume_folder, write_tree
from tomograms.dataset import open_dataset
from tomograms.errors import InputError
from tomograms.ome_zarr import FORMATS, find_volume, open_store, write_volume
from tomograms.stores import DictStore, FolderStore
from tomograms.zarr_layout import parse_format_3

reads_format_3 = pytest.mark.skipif(3 not in FORMATS, reason="zarr 2 is installed")
ENCODINGS = [
    {"name": "default", "configuration": {"separator": "/"}},
    {"name": "default", "configuration": {"separator": "."}},
    {"name": "v2", "configuration": {"separator": "/"}},
    {"name": "default"},
    {"name": "v2"},
]
ROOT = Path(__file__).resolve().parents[2]


def find(path):
    return find_volume(open_store(path), str(path))


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    """Nine chunks, not compressed."""
    path = tmp_path / "denoised.zarr"
    write_format_3(path / "0", grey(0), chunks=(9, 5, 5), encoding=ENCODINGS[0])
    write_group_3(path, VOXEL_SIZE)
    return path


@pytest.fixture
def sharded(tmp_path):
    """Two shards of twelve chunks each."""
    path = tmp_path / "sharded.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    group.create_array("0", data=grey(0), chunks=(4, 5, 4), shards=(12, 15, 8))
    write_group_3(path, VOXEL_SIZE)
    return path


@pytest.mark.skipif(3 in FORMATS, reason="zarr 3 is installed")
@pytest.mark.parametrize("where", ["alone", "tree"])
def test_zarr_2_says_what_to_install(tmp_path, folder, where):
    with pytest.raises(InputError) as caught:
        if where == "tree":
            tree = write_tree(tmp_path / "data", {"TS_1": {}})
            volume = volume_folder(tree, "TS_1")
            volume.rename(volume.with_name("old.zarr"))
            folder.rename(volume)
            open_dataset(tree).tomogram("TS_1")
        else:
            find(folder)
    message = str(caught.value)
    assert re.search(r"denoised\.zarr: expected Zarr format 2, .* zarr 2\..* but got format 3", message)
    assert 'pip install "zarr>=3.1.6,<4" "copick>=2.0.0a6,<3"' in message and "\n" not in message


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-next.txt"])
def test_both_pairs_are_within_the_projects_requirements(file):
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    allowed = {r.name: r.specifier for r in map(Requirement, requirements)}
    pinned = dict(re.findall(r"^(zarr|copick)==(\S+)$", (ROOT / file).read_text(), re.MULTILINE))
    assert set(pinned) == {"zarr", "copick"}
    assert all(allowed[name].contains(version, prereleases=True) for name, version in pinned.items())


def test_the_metadata_of_both_formats_side_by_side(folder, tmp_path):
    """Converters leave both, of the same chunks; the older is read, whatever is installed."""
    write_volume(tmp_path / "old.zarr", grey(1), VOXEL_SIZE)
    (tmp_path / "old.zarr" / "zarr.json").write_text((folder / "zarr.json").read_text())
    assert np.array_equal(find(tmp_path / "old.zarr").read(), grey(1))


@reads_format_3
@given(
    st.tuples(*[st.integers(1, 7)] * 3),
    st.tuples(*[st.integers(1, 4)] * 3),
    st.sampled_from(ENCODINGS),
    st.sampled_from(["float32", "float64", "float16", "int16", "int8", "uint8"]),
)
@settings(max_examples=25)
def test_any_layout_reads_as_it_was_written(tmp_path_factory, shape, chunks, encoding, dtype):
    data = np.random.default_rng(0).integers(0, 99, shape).astype(dtype)
    folder = tmp_path_factory.mktemp("layout")
    write_format_3(folder / "0", data, chunks=chunks, encoding=encoding)
    write_group_3(folder, 7.5)
    stored = find(folder)
    assert (stored.shape, stored.voxel_size) == (shape, 7.5)
    volume = stored.read()
    assert volume.dtype == np.float32
    assert np.array_equal(volume, data)


@reads_format_3
@pytest.mark.parametrize("codec", ["gzip", "zstd", "blosc", "crc32c"])
@pytest.mark.parametrize("shards", [None, (12, 15, 8), (12, 15, 16)])
def test_codecs_and_shards(tmp_path, codec, shards):
    compressors = {
        "gzip": zarr.codecs.GzipCodec,
        "zstd": zarr.codecs.ZstdCodec,
        "blosc": zarr.codecs.BloscCodec,
        "crc32c": zarr.codecs.Crc32cCodec,
    }
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3)
    group.create_array("0", data=grey(0), chunks=(4, 5, 4), shards=shards, compressors=compressors[codec]())
    write_group_3(tmp_path / "a.zarr", VOXEL_SIZE)
    assert np.array_equal(find(tmp_path / "a.zarr").read(), grey(0))
    file = sorted(f for f in (tmp_path / "a.zarr" / "0" / "c").rglob("*") if f.is_file())[-1]
    content = file.read_bytes()
    for kept in (0, 7, 16, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:kept])
        with pytest.raises(InputError, match=rf"{file.relative_to(tmp_path)}: expected an intact chunk"):
            find(tmp_path / "a.zarr").read()
    file.unlink()
    with pytest.raises(InputError, match=rf"{file.relative_to(tmp_path)}: expected a chunk .* missing"):
        find(tmp_path / "a.zarr").read()


@reads_format_3
def test_what_a_shard_leaves_out_is_its_constant(tmp_path):
    """Of a padded volume zarr 3 writes no chunk that holds zeros only; within a shard its index says so."""
    data = grey(0)
    data[:, :, 8:] = 0
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3)
    group.create_array("0", data=data, chunks=(4, 5, 4), shards=(12, 15, 16))
    group.create_array("1", data=data, chunks=(4, 5, 4))
    write_group_3(tmp_path / "a.zarr", VOXEL_SIZE)
    assert np.array_equal(find(tmp_path / "a.zarr").read(), data)
    edit(tmp_path / "a.zarr" / "zarr.json", lambda c: c["attributes"]["ome"].update(multiscales=[level(9, path="1")]))
    with pytest.raises(InputError, match=r"1/c/0/0/2: expected a chunk .* missing; .* write_empty_chunks"):
        find(tmp_path / "a.zarr").read()


@reads_format_3
def test_a_shard_is_read_in_parts(sharded):
    """Never as a whole, which may be the whole tomogram: some chunks at a time, and of a file no more than them."""
    layout = find(sharded).layout
    assert (layout.chunks, layout.unit) == ((12, 15, 8), (12, 15, 8))  # a small one, for once
    metadata = json.loads((sharded / "0" / "zarr.json").read_text())
    metadata["shape"] = [500, 1440, 1024]
    metadata["chunk_grid"]["configuration"]["chunk_shape"] = [512, 1536, 1024]
    metadata["codecs"][0]["configuration"]["chunk_shape"] = [128, 128, 128]
    large = parse_format_3(metadata, "zarr.json", "a")
    assert large.unit == (128, 128, 256)
    parts = [place for _, place in large.parts()]
    assert len(parts) == 4 * 12 * 4 and {name for name, _ in large.parts()} == {"c/0/0/0"}
    assert parts[-1] == (slice(384, 500), slice(1408, 1440), slice(768, 1024))


@reads_format_3
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_voxel_that_is_not_finite(tmp_path, value):
    data = grey(0)
    data[8, 11, 14] = value
    write_format_3(tmp_path / "0", data, chunks=(4, 12, 8), encoding=ENCODINGS[0])
    write_group_3(tmp_path, VOXEL_SIZE)
    with pytest.raises(InputError, match=r"0/c/2/0/1: expected finite voxels, but got NaN or infinity"):
        find(tmp_path).read()


@reads_format_3
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.clear(), "expected OME-NGFF multiscales"),
        (lambda c: c.update(attributes=[]), "expected OME-NGFF multiscales"),
        (lambda c: c["attributes"].update(ome="0.5"), "expected OME-NGFF multiscales"),
        (lambda c: c.update(attributes=c["attributes"]["ome"]), "expected OME-NGFF multiscales"),  # as in 0.4
        (lambda c: c["attributes"]["ome"].update(multiscales=[level(0)]), "expected cubic voxels"),
        (lambda c: c["attributes"]["ome"].update(multiscales=[level(9, unit="parsec")]), "expected axes in angstrom"),
    ],
)
def test_wrong_attributes_are_named(folder, change, message):
    edit(folder / "zarr.json", change)
    with pytest.raises(InputError, match=rf"denoised\.zarr/zarr\.json: {message}"):
        find(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [20, 300]}, r"a.zarr: expected a 3D volume \(z, y, x\), but got the shape \[20, 300\]"),
        ({"shape": [10**9] * 3}, r"a.zarr: expected at most .* voxels"),
        ({"data_type": "bool"}, "zarr.json: expected an array of numbers"),
        ({"data_type": "complex64"}, "zarr.json: expected an array of numbers"),
        ({"data_type": {"name": "float32"}}, "zarr.json: expected an array of numbers"),
        ({"data_type": "float8"}, "zarr.json: expected an array of numbers"),
        ({"chunk_grid": {"name": "rectilinear"}}, "zarr.json: expected an array of numbers on a regular grid"),
        ({"chunk_grid": None}, "zarr.json: expected an array of numbers on a regular grid"),
        ({"chunk_key_encoding": {"name": "mine"}}, "zarr.json: expected an array of numbers"),
        ({"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "-"}}}, "expected an array of numbers"),
        ({"chunk_key_encoding": "v2"}, "zarr.json: expected an array of numbers"),
        ({"codecs": []}, "zarr.json: expected an array of numbers"),
        ({"zarr_format": 2}, "zarr.json: expected an array of numbers .* in Zarr format 3"),
        ({"node_type": "group"}, "zarr.json: expected an array of numbers"),
    ],
)
def test_an_array_that_is_no_volume(folder, change, message):
    array = json.loads((folder / "0" / "zarr.json").read_text()) | change
    with pytest.raises(InputError, match=message):
        parse_format_3(array, "a.zarr/0/zarr.json", "a.zarr")


@reads_format_3
def test_an_unknown_codec(folder):
    edit(folder / "0" / "zarr.json", lambda c: c["codecs"].append({"name": "mystery"}))
    with pytest.raises(InputError, match=r"denoised.zarr/0: expected an array of Zarr format 3, but .*mystery"):
        find(folder).read()


@reads_format_3
def test_the_fingerprint_follows_every_byte(folder):
    first = find(folder).fingerprint()
    assert find(folder).fingerprint() == first
    chunk = folder / "0/c/0/2/2"
    content = bytearray(chunk.read_bytes())
    content[7] ^= 1
    chunk.write_bytes(content)
    second = find(folder).fingerprint()
    edit(folder / "zarr.json", lambda c: c["attributes"]["ome"].update(multiscales=[level(9.0)]))
    assert len({first, second, find(folder).fingerprint()}) == 3


def test_parts_of_files(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    for store in (FolderStore(tmp_path), DictStore({"a": b"0123456789"}), DictStore({}, FolderStore(tmp_path))):
        for part in (slice(None), slice(2, 5), slice(7, None), slice(-3, None), slice(8, 99), slice(0, 0)):
            assert store.read("a", part) == b"0123456789"[part]
        assert "a" in store and "b" not in store
        with pytest.raises(KeyError):
            store.read("b")
