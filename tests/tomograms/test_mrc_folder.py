import bz2
import gzip
import json
from types import SimpleNamespace

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile

from evaluation.inspection import whose_picks
from evaluation.tomogram_types import open_types
from submissions.export.provenance import Provenance
from submissions.export.star import write_star
from submissions.export.submission import Extent
from submissions.export.table import write_csv
from submissions.inputs import names_to_predict
from tests.tomograms.trees import SHAPE, VOXEL_SIZE, grey, write_config, write_tree
from tomograms.dataset import open_dataset, open_recorded
from tomograms.errors import InputError
from tomograms.mrc import IMOD, find_volume
from tomograms.mrc_names import SUFFIXES
from tomograms.particles import CZII, Particle
from tomograms.picks import TRUTH_COLUMNS
from tomograms.tomogram import normalise

CENTRES = np.array([[50.0, 40, 30], [10, 20.5, 30.5], [144, 0, 81]])  # xyz, Å
PROVENANCE = Provenance("ensemble", "1", "denoised", "mine", "0123456789ab", False)


def write(path, data=None, size=VOXEL_SIZE, **fields):
    """Write an MRC file with some of its header's fields changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, compression="gzip" if path.suffix == ".gz" else None) as file:
        file.set_data(grey(0) if data is None else data)
        file.voxel_size = size
        for name, value in fields.items():
            file.header[name] = value
    return path


def write_picks(folder, rows, columns="experiment,particle_type,x,y,z"):
    (folder / "picks.csv").write_text("\n".join([columns, *rows]) + "\n")


def error(function, *arguments, **options):
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def root(tmp_path):
    """A folder with a tomogram of every suffix, and picks in one of them."""
    for seed, name in enumerate(["a.mrc", "b.mrc.gz", "c.1.rec", "d.map"]):
        write(tmp_path / name, grey(seed))
    write_picks(tmp_path, ["a,ribosome,50,40,30", "a,ribosome,10,20,30.5", "a,apo-ferritin,0,0,0"])
    (tmp_path / "._a.mrc").write_text("hidden")
    (tmp_path / "folder.mrc").mkdir()
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


def test_a_folder_reads_as_a_tree_with_the_same_data(tmp_path, root):
    picks = {"ribosome": [(50, 40, 30), (10, 20, 30.5)], "apo-ferritin": [(0, 0, 0)]}
    tree = open_dataset(write_tree(tmp_path / "tree", {"a": picks, "b": {}, "c.1": {}, "d": {}}))
    data = open_dataset(root)
    assert (data.runs("train"), data.runs("test")) == (("a",), ("b", "c.1", "d"))
    assert data.particles == CZII and not data.simulated
    for run in tree.runs("train"):
        assert data.shape(run) == SHAPE
        assert data.voxel_size(run) == pytest.approx(VOXEL_SIZE, rel=1e-6)
        assert np.array_equal(data.tomogram(run).volume, tree.tomogram(run).volume)
        assert data.picks(run).equals(tree.picks(run))
    assert open_recorded(data.record()).fingerprint("ab") == data.fingerprint("ab")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["i1", "i2", "f4", "u2", "f2"])
@pytest.mark.parametrize("name", ["a.mrc", "a.mrc.gz"])
def test_modes_byte_orders_and_packing(tmp_path, name, dtype, order):
    data = np.random.default_rng(1).integers(0, 120, SHAPE).astype(np.dtype(dtype).newbyteorder(order))
    volume = open_dataset(write(tmp_path / name, data).parent).source.volume("a")
    read = volume.read()
    assert read.dtype == np.float32 and read.flags.writeable
    assert np.array_equal(read, data.astype(np.float32))
    assert (volume.shape, volume.voxel_size) == (SHAPE, pytest.approx(VOXEL_SIZE, rel=1e-6))


def test_an_extended_header_is_passed_over(tmp_path):
    path = write(tmp_path / "a.mrc")
    with mrcfile.open(path, "r+") as file:
        file.set_extended_header(np.arange(1000, dtype="u1").view("V1"))
        file.header.exttyp = "FEI1"
    assert np.array_equal(find_volume(path).read(), grey(0))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("fields", [{"machst": stamp} for stamp in (b"D\0\0\0", b"D   ", b"\0\0\0\0")] + [{"map": b""}])
def test_headers_of_other_programs(tmp_path, order, fields):
    fields = {name: np.frombuffer(value, "u1") if name == "machst" else value for name, value in fields.items()}
    path = write(tmp_path / "a.mrc", grey(0).astype(np.dtype("f4").newbyteorder(order)), **fields)
    volume = find_volume(path)
    assert np.array_equal(volume.read(), grey(0)) and volume.voxel_size == pytest.approx(VOXEL_SIZE, rel=1e-6)


@pytest.mark.parametrize(
    ("stamp", "flags", "largest", "unsigned"),
    [(IMOD, 0, 127, True), (IMOD, 1, 127, False), (IMOD, 1, 255, False), (0, 0, 127, False), (0, 0, 255, True)],
)
def test_bytes_without_a_sign(tmp_path, stamp, flags, largest, unsigned):
    data = np.arange(np.prod(SHAPE)).astype("u1").reshape(SHAPE)
    path = write(tmp_path / "a.mrc", data.view("i1"), dmax=largest)
    content = bytearray(path.read_bytes())
    content[152:160] = np.array([stamp, flags], "<i4").tobytes()
    path.write_bytes(content)
    assert np.array_equal(find_volume(path).read(), data if unsigned else data.view("i1"))


@pytest.mark.parametrize(("low", "high"), [(0, 0), (0, -1), (-900.0, 3500.0)])  # none, unknown, of other data
@pytest.mark.parametrize("pack", ["a.mrc", "a.mrc.gz"])
def test_bytes_whose_header_does_not_tell_their_sign(tmp_path, pack, low, high):
    smooth = np.random.default_rng(0).normal(0, 15, SHAPE)
    for kind, centre in (("u1", 128), ("u1", 60), ("i1", 0), ("i1", -60)):
        data = (centre + smooth).astype(kind)
        path = write(tmp_path / f"{kind}{centre}" / pack, data.view("i1"), dmin=low, dmax=high)
        assert np.array_equal(find_volume(path).read(), data)


@pytest.mark.parametrize(("low", "high", "unsigned"), [(28000, 40000, True), (-32768, 32767, False), (0, 90000, False)])
def test_words_without_a_sign(tmp_path, low, high, unsigned):
    data = np.linspace(28000, 40000, np.prod(SHAPE)).astype("u2").reshape(SHAPE)
    path = write(tmp_path / "a.mrc", data.view("i2"), dmin=low, dmax=high)
    assert np.array_equal(find_volume(path).read(), data if unsigned else data.view("i2"))


@pytest.mark.parametrize("pack", ["a.mrc", "a.mrc.gz"])
def test_a_file_that_goes_on_behind_its_last_slice(tmp_path, pack):
    content = write(tmp_path / "whole").read_bytes()
    for more, right in ((bytes(700), True), (bytes(720), False), (b"\0\1", False)):
        (tmp_path / pack).write_bytes(gzip.compress(content + more) if pack.endswith("gz") else content + more)
        if right:
            assert np.array_equal(find_volume(tmp_path / pack).read(), grey(0))
        else:
            message = error(find_volume(tmp_path / pack).read)
            assert "expected an intact MRC file" in message and "goes on after the 9 slices" in message


@pytest.mark.parametrize(
    "change",
    [
        lambda path: write(path, nz=4, mz=4, cella=(150, 120, 40)),
        lambda path: write(path, np.ones(SHAPE, "i2"), mode=0),
        lambda path: path.write_bytes((content := write(path).read_bytes())[:1024] + b"\1" * 1024 + content[1024:]),
    ],
)
def test_a_header_that_tells_fewer_bytes_than_there_are(tmp_path, change):
    change(tmp_path / "a.mrc")
    assert "goes on after" in error(open_dataset(tmp_path, voxel_spacing=10.0).tomogram, "a")


@pytest.mark.parametrize(
    ("name", "pack"), [("a.map.gz", gzip.compress), ("a.REC.GZ", gzip.compress), ("a.mrc.bz2", bz2.compress)]
)
def test_packed_files_of_every_suffix(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(write(tmp_path / "whole").read_bytes()))
    (tmp_path / "whole").unlink()
    assert open_dataset(tmp_path).shape("a") == SHAPE


def test_a_packed_file_is_known_by_its_content(tmp_path):
    content = write(tmp_path / "a.mrc").read_bytes()
    for name, pack in (("b.mrc", gzip.compress), ("c.mrc", bz2.compress)):
        (tmp_path / name).write_bytes(pack(content))
        assert np.array_equal(find_volume(tmp_path / name).read(), grey(0))


def test_origin_and_start_are_not_looked_at(tmp_path):
    moved = write(tmp_path / "a.mrc", origin=(100, 200, 300), nxstart=5, nystart=6, nzstart=7)
    write_picks(tmp_path, ["a,ribosome,50,40,30"])
    assert open_dataset(moved.parent).picks("a")[["x", "y", "z"]].to_numpy().tolist() == [[50, 40, 30]]


def test_a_stack_of_one_volume_is_a_volume(tmp_path):
    assert find_volume(write(tmp_path / "a.mrc", ispg=401)).shape == SHAPE


@pytest.mark.parametrize(
    ("header", "stated", "size"),
    [
        (10.012, None, 10.012),
        (1.0, 1.0, 1.0),
        (0.0, 7.84, 7.84),
        (1.0, 7.84, 7.84),
        (10.012, 10.0, 10.012),
        ((10.0, 10.005, 10.0), None, 10.0017),
        (0.0, None, "expected a voxel size above 0 Å, but the header has none; give --voxel-spacing"),
        (
            1.0,
            None,
            "expected a voxel size above 0 Å, but the header says exactly 1 Å, as many programs do that know of none; "
            "give --voxel-spacing",
        ),
        (10.0, 7.84, "expected the voxel size of --voxel-spacing, 7.84 Å within 1 %, but its header says 10 Å"),
        ((10.0, 10.0, 10.02), None, "expected cubic voxels above 0 Å, but got 10, 10, 10.02 Å (x, y, z)"),
        ((10.0, 10.0, 0.0), None, "expected cubic voxels above 0 Å, but got 10, 10, 0 Å (x, y, z)"),
        (-10.0, None, "expected cubic voxels above 0 Å, but got -10, -10, -10 Å (x, y, z)"),
        (np.nan, None, "expected cubic voxels above 0 Å, but got nan, nan, nan Å (x, y, z)"),
    ],
)
def test_voxel_sizes(tmp_path, header, stated, size):
    path = write(tmp_path / "a.mrc", size=header)
    data = open_dataset(tmp_path, voxel_spacing=stated)
    if isinstance(size, str):
        assert error(data.voxel_size, "a") == f"{path}: {size}"
    else:
        assert data.voxel_size("a") == pytest.approx(size, rel=1e-5)


def test_a_stated_voxel_size_is_a_size(tmp_path):
    write(tmp_path / "a.mrc")
    message = error(open_dataset(tmp_path, voxel_spacing=-1.0).voxel_size, "a")
    assert message == "--voxel-spacing: expected a voxel size above 0 Å, but got -1"


def cut(path, length):
    path.write_bytes(path.read_bytes()[:length])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF  # of the checksum
    path.write_bytes(content)


def with_value(value):
    data = grey(0)
    data[3, 4, 5] = value
    return data


BAD = {
    "text": ("a.mrc", lambda p: p.write_text("no tomogram" * 200), "intact MRC file, .*Map ID"),
    "HTML": ("a.rec", lambda p: p.write_text("<html>404</html>\n"), "intact MRC file, .*enough bytes"),
    "empty": ("a.map", lambda p: p.write_bytes(b""), "intact MRC file"),
    "no gzip": ("a.mrc.gz", lambda p: p.write_bytes(b"\x1f\x8bnothing" * 200), "intact MRC file"),
    "cut header": ("a.mrc", lambda p: cut(write(p), 500), "intact MRC file"),
    "cut": ("a.mrc", lambda p: cut(write(p), 5000), r"expected 7504 bytes for the shape \(9, 12, 15\), .* after 5000$"),
    "cut gzip": ("a.mrc.gz", lambda p: cut(write(p), 3000), "intact MRC file"),
    "checksum": ("a.mrc.gz", lambda p: flip(write(p)), "intact MRC file, .*CRC"),
    "cut, then packed": (
        "a.mrc.gz",
        lambda p: p.write_bytes(gzip.compress(gzip.decompress(write(p).read_bytes())[:5000])),
        r"intact MRC file, .*ends in slice 5 of 9",
    ),
    "machine stamp": ("a.mrc", lambda p: write(p, machst=0, mode=9), "intact MRC file, .*machine stamp"),
    "complex": ("a.mrc", lambda p: write(p, np.ones(SHAPE, np.complex64)), "MRC mode of 0, 1, 2, 6, 12, but got 4$"),
    "mode": ("a.mrc", lambda p: write(p, mode=101), "MRC mode of 0, 1, 2, 6, 12, but got 101$"),
    "image": ("a.mrc", lambda p: write(p, grey(0)[0]), r"3D volume \(z, y, x\), but got the shape \(1, 12, 15\)$"),
    "negative": ("a.mrc", lambda p: write(p, nx=-4), r"3D volume \(z, y, x\), but got the shape \(9, 12, -4\)$"),
    "stack": (
        "a.mrc",
        lambda p: write(p, np.ones((2, 3, 4, 5), np.float32)),
        "one volume, but got a stack of volumes of 3 sections each$",
    ),
    "axes": ("a.mrc", lambda p: write(p, mapc=3, maps=1), r"axes 1, 2, 3, but got \[3, 2, 1\]$"),
    "huge": ("a.mrc", lambda p: write(p, nz=2**31 - 1), "but the file ends after 7504$"),
    "extended header": ("a.mrc", lambda p: write(p, nsymbt=10**6), "intact MRC file"),
    "less than none": ("a.mrc", lambda p: write(p, nsymbt=-7), "intact MRC file"),
    "gone": ("a.mrc", lambda p: p.symlink_to("nowhere"), "no such file$"),
    "constant": ("a.mrc", lambda p: write(p, np.ones(SHAPE, np.float32)), "expected a volume with contrast"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_are_refused(tmp_path, name):
    file, make, message = BAD[name]
    make(tmp_path / file)
    data = open_dataset(tmp_path)
    said = error(data.tomogram, "a")
    assert said.startswith(f"{tmp_path / file}: ")
    with pytest.raises(InputError, match=message):
        raise InputError(said)


@pytest.mark.filterwarnings("ignore:Data array contains:RuntimeWarning")  # both of the writer
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_are_finite(tmp_path, value):
    path = write(tmp_path / "a.mrc", with_value(value))
    message = error(open_dataset(tmp_path).tomogram, "a")
    assert message == f"{path}: expected finite voxels, but slice 3 has NaN or infinity"


def test_shape_and_voxel_size_need_the_header_alone(tmp_path, monkeypatch):
    write(tmp_path / "a.mrc")
    monkeypatch.setattr("tomograms.mrc._unpacked", None)
    data = open_dataset(tmp_path)
    assert (data.shape("a"), data.runs("test")) == (SHAPE, ("a",))


def test_the_fingerprint_follows_content_and_voxel_size(tmp_path):
    first = find_volume(write(tmp_path / "1/a.mrc", size=1.0), 9.0).fingerprint()
    assert find_volume(write(tmp_path / "2/a.mrc", size=1.0), 9.0).fingerprint() == first
    assert find_volume(tmp_path / "1/a.mrc", 8.0).fingerprint() != first
    content = bytearray((tmp_path / "2/a.mrc").read_bytes())
    content[-1] ^= 1
    (tmp_path / "2/a.mrc").write_bytes(content)
    assert find_volume(tmp_path / "2/a.mrc", 9.0).fingerprint() != first


def test_one_file_a_run_and_one_kind_of_folder(tmp_path):
    write(tmp_path / "a.mrc")
    write(tmp_path / "a.rec")
    assert error(open_dataset, tmp_path) == f"{tmp_path}: expected one file a run, but got a.mrc and a.rec"
    write_tree(tmp_path, {"TS_1": {}}, split="test")
    rule = f"expected a folder with train/static/ExperimentRuns or with MRC files ({', '.join(SUFFIXES)})"
    assert error(open_dataset, tmp_path) == f"{tmp_path}: {rule}, but found both"
    (tmp_path / "empty").mkdir()
    assert error(open_dataset, tmp_path / "empty") == f"{tmp_path / 'empty'}: {rule}, but found none"


def test_an_unknown_run(root):
    message = error(open_dataset(root).tomogram, "e")
    assert message == f"{root}: expected a run named e, but there are a, b, c.1, d"


def test_what_is_predicted_are_the_runs_that_nobody_trained_on(root):
    run = SimpleNamespace(record=SimpleNamespace(tomograms=("a", "d")))
    assert names_to_predict(open_dataset(root), run) == ("b", "c.1")


def test_there_are_no_further_types(root):
    assert open_dataset(root, tomogram_type="wbp").shape("a") == SHAPE
    message = error(open_types, open_dataset(root), ["wbp"], ["a"])
    assert message == f"--extra-tomo-types: expected a volume of its own for wbp, but got {root / 'a.mrc'} again"


def test_species_of_ones_own(root):
    entries = [{"name": "ribosome", "label": 3, "radius": 150}, {"name": "m", "label": 4, "is_particle": False}]
    (root / "particles.json").write_text(json.dumps(entries))
    write_picks(root, ["a,ribosome,50,40,30", "b,m,1,2,3"])
    data = open_dataset(root)
    assert data.particles == (Particle("ribosome", 1, 150.0, 1.0),)
    assert data.runs("train") == ("a",)
    (root / "particles.json").write_text("{}")
    assert error(open_dataset, root).startswith(f"{root / 'particles.json'}: expected a list of objects")


@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        ("angstrom", 1.0),
        ("Angstroms", 1.0),
        ("nm", 10.0),
        ("nanometer", 10.0),
        ("voxel", VOXEL_SIZE),
        ("pixels", VOXEL_SIZE),
    ],
)
def test_units_of_a_table(tmp_path, unit, scale):
    write(tmp_path / "a.mrc")
    rows = [f"{unit},{x / scale!r},{y / scale!r},{z / scale!r},ribosome,a.mrc" for x, y, z in CENTRES.tolist()]
    write_picks(tmp_path, rows, "unit,x,y,z,particle_type,experiment")
    found = open_dataset(tmp_path).picks("a")
    assert np.allclose(sorted(found[["x", "y", "z"]].to_numpy().tolist()), sorted(CENTRES.tolist()), atol=1e-4)


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (
            "experiment,particle_type,x,y",
            "a,ribosome,1,2",
            "line 1: expected the columns .*, but got no z in 'experiment,particle_type,x,y'$",
        ),
        ("experiment,particle_type,x,y,z", "e,ribosome,1,2,3", "line 2: expected a run of a, b, c.1, d, but got 'e'$"),
        ("experiment,particle_type,x,y,z", "a,foo,1,2,3", "line 2: expected a species of apo-.*, but got 'foo'$"),
        ("experiment,particle_type,x,y,z", "a,ribosome,1,2,nan", "line 2: expected a finite number for z"),
        (
            "experiment,particle_type,x,y,z,unit",
            "a,ribosome,1,2,3,inch",
            "line 2: expected the unit .*, but got 'inch'",
        ),
        ("experiment,particle_type,x,y,z,unit", "a,ribosome,1,2,3,", "line 2: expected a value for unit"),
        ("experiment,particle_type,x,y,z", "a,ribosome,900,2,3", "point 0: expected x, y, z within the volume"),
    ],
)
def test_tables_that_are_refused(root, columns, row, message):
    write_picks(root, [row], columns)
    with pytest.raises(InputError, match=rf"picks.csv: {message}"):
        open_dataset(root).picks("a")


def test_picks_of_a_folder_are_nobodys_in_particular(root):
    assert "expected picks of user bob, session any" in error(open_dataset, root, user="bob")


def copick_json(path, **fields):
    points = [{"location": {"x": 50, "y": 40, "z": 30}}]
    content = {"run_name": "a", "pickable_object_name": "ribosome", "points": points, **fields}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def elsewhere(tmp_path_factory):
    """Every kind of picks, none of them beside tomograms."""
    folder = tmp_path_factory.mktemp("picks of mine")
    write_picks(folder, ["b,ribosome,50,40,30"])
    (folder / "picks.csv").rename(folder / "table.csv")
    copick_json(folder / "session.json")
    table = pd.DataFrame({"rlnTomoName": ["c.1"], **dict.fromkeys([f"rlnCoordinate{axis}" for axis in "XYZ"], 1)})
    starfile.write({"particles": table}, folder / "ribosome.star")
    return folder


@pytest.mark.parametrize(
    ("name", "runs"),
    [("table.csv", ("b",)), ("session.json", ("a",)), ("ribosome.star", ("c.1",)), ("", ("a", "c.1"))],
)
def test_picks_may_lie_elsewhere(root, elsewhere, monkeypatch, name, runs):
    monkeypatch.chdir(elsewhere.parent)
    data = open_dataset(root, picks=(elsewhere / name).relative_to(elsewhere.parent))
    assert data.runs("train") == runs
    assert all(len(data.picks(run)) == 1 for run in runs) and not data.has_picks("d")
    record = data.record()
    assert record.picks == str(elsewhere / name)
    monkeypatch.chdir("/")
    assert open_recorded(record).fingerprint(runs) == data.fingerprint(runs)


def test_picks_elsewhere_that_are_none(tmp_path, root, elsewhere):
    (elsewhere / "empty").mkdir()
    (elsewhere / "picks.txt").write_text("")
    rule = (
        "--picks: expected a file .csv, SPECIES.star or .json, or a folder with picks.csv, SPECIES.star or .json, but"
    )
    for name, found in (("nowhere", "nothing"), ("empty", "a folder without any"), ("picks.txt", "another file")):
        assert error(open_dataset, root, picks=elsewhere / name) == f"{rule} {elsewhere / name} is {found}"
    other = copick_json(elsewhere / "other.json", run_name=None)
    assert "expected the run_name a, b, c.1, d, but got 'None'" in error(open_dataset(root, picks=other).runs, "train")
    other.write_text("{}")
    assert "expected the run_name" in error(open_dataset(root, picks=other).runs, "train")
    for path in (write_tree(tmp_path / "tree", {"a": {}}), write_config(tmp_path / "tree/project.json")):
        assert error(open_dataset, path, picks=elsewhere) == (
            f"--picks: expected a folder of MRC files as data, but {path} is a Kaggle tree or a copick config, which "
            "hold their own"
        )


@pytest.fixture
def exported(root):
    """The folder with STAR files in it as this project exports them."""
    (root / "picks.csv").unlink()
    rows = pd.DataFrame(CENTRES, columns=["x", "y", "z"]).assign(particle_type="ribosome", score=0.5)
    picks = pd.concat([rows.assign(experiment="a"), rows.iloc[:1].assign(experiment="c.1")])
    extents = {run: Extent(SHAPE, VOXEL_SIZE) for run in ("a", "c.1")}
    write_star(root, picks, species=["ribosome", "apo-ferritin"], extents=extents, provenance=PROVENANCE)
    return root


def read_table(path):
    return starfile.read(path)["particles"]


@pytest.mark.parametrize("kept", ["both", "rlnCoordinate", "rlnCenteredCoordinate"])
def test_star_files_come_back_as_they_went_out(exported, kept):
    path = exported / "ribosome.star"
    table = read_table(path)
    other = {"rlnCoordinate": "rlnCenteredCoordinate", "rlnCenteredCoordinate": "rlnCoordinate"}.get(kept, "none")
    starfile.write(table[[c for c in table if not c.startswith(other)]], path, overwrite=True)
    data = open_dataset(exported)
    assert data.runs("train") == ("a", "c.1")
    found = data.picks("a")
    assert set(found.particle_type) == {"ribosome"}
    assert np.allclose(sorted(found[["x", "y", "z"]].to_numpy().tolist()), sorted(CENTRES.tolist()), atol=0.01)
    assert len(data.picks("c.1")) == 1


@pytest.mark.parametrize("column", ["rlnTomoName", "rlnMicrographName"])
@pytest.mark.parametrize("name", ["{}", "{}.mrc", "{}.rec", "{}.tomostar", "Tomograms/job9/{}.mrc"])
def test_names_of_tomograms_in_star_files(tmp_path, column, name):
    write(tmp_path / "007.mrc")
    table = pd.DataFrame({column: [name.format("007")], "rlnCoordinateX": 5, "rlnCoordinateY": 4, "rlnCoordinateZ": 3})
    optics = pd.DataFrame({"rlnOpticsGroup": [1]})
    starfile.write({"optics": optics, "particles": table}, tmp_path / "ribosome.star")
    found = open_dataset(tmp_path).picks("007")[["x", "y", "z"]].to_numpy()
    assert np.allclose(found, np.array([[5, 4, 3]]) * VOXEL_SIZE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.drop(columns="rlnTomoName"),
            "expected the columns rlnTomoName or rlnMicrographName, .*, but got rln",
        ),
        (
            lambda t: t[["rlnTomoName", "rlnCoordinateX"]],
            "expected the columns .*, but got rlnTomoName, rlnCoordinateX$",
        ),
        (lambda t: t.assign(rlnTomoName="e"), r"particle 1: expected a run of a, b, .*, but got 'e' \(and 3 more such"),
        (lambda t: t.assign(rlnCenteredCoordinateYAngst="x"), "particle 1: expected a finite number for .*YAngst, but"),
        (
            lambda t: t.drop(columns=[c for c in t if "Centered" in c]).assign(rlnPixelSize=1.35),
            "particle 1: expected coordinates in voxels of the tomogram and their size .*, but got '1.35'",
        ),
    ],
)
def test_star_files_that_are_refused(exported, change, message):
    path = exported / "ribosome.star"
    starfile.write({"particles": change(read_table(path))}, path, overwrite=True)
    with pytest.raises(InputError, match=rf"ribosome.star: {message}"):
        open_dataset(exported).runs("train")


def test_own_exports_count_as_truth_and_that_is_said(exported):
    lines = whose_picks(open_dataset(exported), ["a"])
    rule = "picks that this project has found itself count as truth"
    assert lines == [f"{rule}: {exported / 'ribosome.star'}; are they corrected?"]
    (exported / "ribosome.star").unlink()
    rows = pd.DataFrame([("a", "ribosome", 50.0, 40.0, 30.0, 0.5)], columns=[*TRUTH_COLUMNS, "score"])
    write_csv(exported, [rows], extents={"a": Extent(SHAPE, VOXEL_SIZE)}, provenance=PROVENANCE)
    assert whose_picks(open_dataset(exported), ["a"]) == [f"{rule}: {exported / 'picks.csv'}; are they corrected?"]
    write_picks(exported, ["a,ribosome,50,40,30,0.5,me"], "experiment,particle_type,x,y,z,score,run")
    assert whose_picks(open_dataset(exported), ["a"]) == []


def test_parts_of_the_volume_as_warps_template_matching_writes_them(root):
    voxels = np.array([[3, 4, 5], [14, 1, 0], [7, 6, 8]])
    parts = pd.DataFrame(voxels / SHAPE[::-1], columns=[f"rlnCoordinate{axis}" for axis in "XYZ"])
    parts[["rlnMicrographName", "rlnAutopickFigureOfMerit"]] = ["b.tomostar", 5.0]
    starfile.write(parts, root / "ribosome.star")
    found = open_dataset(root).picks("b")[["x", "y", "z"]].to_numpy()
    assert np.allclose(found, voxels[np.lexsort(voxels.T)] * VOXEL_SIZE, atol=1e-3)
    starfile.write(parts.assign(rlnPixelSize=VOXEL_SIZE), root / "ribosome.star", overwrite=True)
    assert (open_dataset(root).picks("b")[["x", "y", "z"]] < VOXEL_SIZE).all(axis=None)


@pytest.mark.parametrize(
    "text", ["", "<html>\n", "data_\n\n_rlnTomoName a\n", "data_a\n\nloop_\n_x #1\n1\n\ndata_b\n\nloop_\n_x #1\n1\n"]
)
def test_what_is_no_star_file(exported, text):
    (exported / "ribosome.star").write_text(text)
    assert f"{exported / 'ribosome.star'}: expected " in error(open_dataset(exported).runs, "train")


def test_a_star_file_in_another_encoding(exported):
    (exported / "ribosome.star").write_bytes(b"\xff\xfe\x00data_")
    assert "ribosome.star: expected" in error(open_dataset(exported).runs, "train")


def test_a_star_file_is_called_after_a_species(exported):
    (exported / "ribosome.star").rename(exported / "run_data.star")
    message = error(open_dataset(exported).runs, "train")
    assert message.startswith(f"{exported / 'run_data.star'}: expected a file called after a species, apo-ferritin, ")


def test_the_picks_of_a_species_lie_in_one_file(exported):
    write_picks(exported, ["a,ribosome,50,40,30"])
    message = error(open_dataset(exported).runs, "train")
    rule = f"expected the picks of ribosome in a in one file, but {exported / 'ribosome.star'} has some, too"
    assert message == f"{exported / 'picks.csv'}: {rule}"


def test_normalised_as_every_volume(root):
    assert np.array_equal(open_dataset(root).tomogram("d").volume, normalise(grey(3)))
