"""What people bring to the readers: each of these is read right, or refused in one line that names file and rule."""

import gzip
import json
import re
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest

from evaluation.inspection import whose_picks
from tests.tomograms.trees import picks_folder, set_voxel_size, volume_folder, write_config
from tomograms.dataset import open_dataset
from tomograms.errors import run_command
from tomograms.kaggle_tree import write_run
from tomograms.ome_zarr import write_volume

SHAPE = (16, 24, 28)
PLACE = [100.0, 120.0, 60.0]
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 12345\n"
HTML = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in</body></html>\n"
REFUSED, RIGHT = {}, {}


def refused(rule):
    """Register an input that is refused with a line that matches ``rule``."""

    def keep(function):
        REFUSED[function.__name__] = (function, rule)
        return function

    return keep


def right(function):
    """Register an input that is read right, as the function checks itself."""
    RIGHT[function.__name__] = function
    return function


def grey(seed, shape=SHAPE):
    return np.random.default_rng(seed).normal(0, 7e-6, shape).astype(np.float32)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("odd")
    for seed, (split, run) in enumerate((("train", "A"), ("train", "B"), ("test", "T"))):
        picks = {} if split == "test" else {"ribosome": np.array([PLACE])}
        write_run(root / "data", split, run, volume=grey(seed), voxel_size=10.0, picks=picks)
    for seed, run in enumerate("AB"):
        write_mrc(root / f"mrc/{run}.mrc", grey(seed))
    csv(root, f"A,ribosome,{','.join(map(str, PLACE))}")
    return root


def write_mrc(path, volume, voxel_size=10.0):
    path.parent.mkdir(exist_ok=True)
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(volume)
        file.voxel_size = voxel_size


def csv(root, *rows, header="experiment,particle_type,x,y,z", end="\n", encoding="utf-8"):
    text = end.join([header, *rows]) + end
    (root / "mrc/picks.csv").write_bytes(text.encode(encoding))


@pytest.fixture
def root(template, tmp_path, monkeypatch):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    write_config(tmp_path / "data/project.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path="data", **options):
    """Read everything of a data set, as a cross-validation does."""
    data = open_dataset(Path(path), **options)
    runs = [*data.runs("train"), *data.runs("test")]
    return {run: (data.tomogram(run), data.picks(run)) for run in runs}


def refusal(work, capsys):
    """Return the one line with which a command refuses."""
    with pytest.raises(SystemExit) as end:
        run_command(lambda _: work() and None)
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and len(lines) == 1, lines
    return lines[0]


def pick_file(root, run="A", name="ribosome"):
    return picks_folder(root / "data", run) / f"{name}.json"


def change_picks(root, change, **where):
    path = pick_file(root, **where)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def metadata(root, change, run="A"):
    path = volume_folder(root / "data", run) / ".zattrs"
    content = json.loads(path.read_text())
    change(content["multiscales"][0])
    path.write_text(json.dumps(content))


def array(root, change, run="A"):
    path = volume_folder(root / "data", run) / "0/.zarray"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def store(root, volume, run="A", voxel_size=10.0):
    folder = volume_folder(root / "data", run, split="test" if run == "T" else "train")
    shutil.rmtree(folder)
    write_volume(folder, volume, voxel_size)
    return folder


def header(root, name, value, run="A"):
    with mrcfile.open(root / f"mrc/{run}.mrc", "r+") as file:
        file.header[name] = value


# Zarr volumes


@refused(r"A.*/0: expected a chunk .*|A.*0/0/0/0: expected a chunk of the volume .* but the file is missing")
def chunk_is_missing(root):
    next((volume_folder(root / "data", "A") / "0").rglob("0/0/0")).unlink()
    read()


@refused(r"denoised\.zarr/0/0/0/0: expected an intact chunk")
def chunk_is_cut_off(root):
    path = volume_folder(root / "data", "A") / "0/0/0/0"
    path.write_bytes(path.read_bytes()[:-7])
    read()


@refused(r"0/0/0/0: expected an intact chunk")
def chunk_is_empty(root):
    (volume_folder(root / "data", "A") / "0/0/0/0").write_bytes(b"")
    read()


@refused(r"0/0/0/0: expected an intact chunk")
def chunk_is_a_pointer_of_lfs(root):
    (volume_folder(root / "data", "A") / "0/0/0/0").write_text(LFS)
    read()


@refused(r"\.zattrs: expected JSON")
def metadata_is_a_web_page(root):
    (volume_folder(root / "data", "A") / ".zattrs").write_text(HTML)
    read()


@refused(r"\.zattrs: expected JSON")
def metadata_is_empty(root):
    (volume_folder(root / "data", "A") / ".zattrs").write_text("")
    read()


@refused(r"no such tomogram type; there are denoised")
def type_is_not_there(root):
    read(tomogram_type="wbp")


@refused(r"expected the voxel size of its folder, 10\.000 Å within 1 %, but its metadata say 100 Å")
def unit_is_nanometre_where_angstrom_is_meant(root):
    metadata(root, lambda level: [axis.update(unit="nanometer") for axis in level["axes"]])
    read()


@refused(r"expected axes in angstrom, .*meter, but got \['pixel'")
def unit_is_pixel(root):
    metadata(root, lambda level: [axis.update(unit="pixel") for axis in level["axes"]])
    read()


@refused(r"expected cubic voxels above 0 Å, but got \[-10\.0")
def scale_is_negative(root):
    set_voxel_size(volume_folder(root / "data", "A"), -10.0)
    read()


@refused(r"expected cubic voxels above 0 Å")
def scale_is_nan(root):
    set_voxel_size(volume_folder(root / "data", "A"), float("nan"))
    read()


@refused(r"expected cubic voxels above 0 Å, but got \[20\.0, 10\.0, 10\.0\]")
def voxels_are_not_cubic(root):
    metadata(root, lambda level: level["datasets"][0]["coordinateTransformations"][0].update(scale=[20.0, 10.0, 10.0]))
    read()


@refused(r"expected no translation, .* but got \[100\.0, 0\.0, 0\.0\]")
def translation_of_the_array(root):
    step = {"type": "translation", "translation": [100.0, 0.0, 0.0]}
    metadata(root, lambda level: level["datasets"][0]["coordinateTransformations"].append(step))
    read()


@refused(r"expected no translation, .* but got \[0\.0, 50\.0, 0\.0\]")
def translation_of_the_multiscale(root):
    step = {"type": "translation", "translation": [0.0, 50.0, 0.0]}
    metadata(root, lambda level: level.update(coordinateTransformations=[step]))
    read()


@refused(r"expected the voxel size of its folder, 10\.000 Å within 1 %, but its metadata say 20 Å")
def scale_of_the_multiscale_counts_too(root):
    step = {"type": "scale", "scale": [2.0, 2.0, 2.0]}
    metadata(root, lambda level: level.update(coordinateTransformations=[step]))
    read()


@right
def metadata_tell_null_for_the_multiscale(root):
    metadata(root, lambda level: level.update(coordinateTransformations=None))
    assert read()["A"][0].voxel_size == 10.0


@refused(r"expected coordinateTransformations with a scale, of the types .* alone, but got scale, affine$")
def volume_is_transformed_otherwise(root):
    step = {"type": "affine", "affine": [[1, 0, 0, 50], [0, 1, 0, 0], [0, 0, 1, 0]]}
    metadata(root, lambda level: level["datasets"][0]["coordinateTransformations"].append(step))
    read()


@refused(r"expected coordinateTransformations with a scale, .* but got scale, rotation$")
def multiscale_is_turned(root):
    step = {"type": "rotation", "rotation": [[0, 1, 0], [1, 0, 0], [0, 0, 1]]}
    metadata(root, lambda level: level.update(coordinateTransformations=[step]))
    read()


@refused(r"expected coordinateTransformations with a scale, .* but got identity$")
def scale_is_not_told(root):
    metadata(root, lambda level: level["datasets"][0].update(coordinateTransformations=[{"type": "identity"}]))
    read()


@refused(r"expected the axes z, y, x with three scales, but got \['x', 'y', 'z'\]")
def axes_are_turned(root):
    metadata(root, lambda level: level["axes"].reverse())
    read()


@refused(r"expected a 3D volume \(z, y, x\), but got the shape \[1, 16, 24, 28\]")
def volume_has_channels(root):
    array(root, lambda found: found.update(shape=[1, *SHAPE], chunks=[1, *SHAPE]))
    read()


@refused(r"expected an array of numbers")
def voxels_are_complex(root):
    array(root, lambda found: found.update(dtype="<c8"))
    read()


@refused(r"expected an array of numbers")
def volume_is_a_mask(root):
    array(root, lambda found: found.update(dtype="|b1"))
    read()


@refused(r"expected a folder that tells its voxel size, but got 'TenAngstrom'")
def spacing_folder_has_no_number(root):
    folder = volume_folder(root / "data", "A").parent
    folder.rename(folder.with_name("VoxelSpacingTenAngstrom"))
    read()


@refused(r"expected one voxel spacing or a choice of one, but got 20\.000, 5\.000")
def two_spacings(root):
    folder = volume_folder(root / "data", "A").parent
    shutil.copytree(folder, folder.with_name("VoxelSpacing5.000"))
    folder.rename(folder.with_name("VoxelSpacing20.000"))
    read()


@refused(r"denoised\.zarr: expected a volume with contrast, but got 0 nearly everywhere")
def volume_is_constant(root):
    store(root, np.zeros(SHAPE, np.float32))
    read()


@refused(r"expected finite voxels, but got NaN or infinity")
def padding_is_nan(root):
    volume = grey(0)
    volume[:4] = np.nan
    store(root, volume)
    read()


@refused(r"expected finite voxels, but got NaN or infinity")
def a_voxel_is_infinite(root):
    volume = grey(0)
    volume[3, 4, 5] = np.inf
    store(root, volume)
    read()


@right
def most_is_blank(root):
    volume = np.full((40, 64, 64), 3.0, np.float32)
    inside = (slice(10, 30), slice(10, 42), slice(10, 36))  # 10 %
    volume[inside] = np.random.default_rng(0).normal(7, 2, volume[inside].shape)
    store(root, volume)
    found = read()["A"][0].volume
    assert abs(np.median(found[inside])) < 0.05 and abs(found[inside].std() - 1) < 0.1
    assert not found[:4].any()


@right
def eight_bits_in_few_levels(root):
    rng = np.random.default_rng(0)
    fine = rng.normal(0, 1, (24, 40, 40))
    store(root, np.clip(np.rint(120 + 0.8 * fine), 0, 255).astype(np.float32))
    found = read()["A"][0].volume
    assert abs(found.mean()) < 0.05 and abs(found.std() - np.hypot(0.8, 12**-0.5) / 0.8) < 0.25


@right
def saturated_gold(root):
    volume = grey(0, (24, 40, 40))
    volume[5:9, 5:9, 5:9] = 1e30
    volume[15:18, 20:23, 5:9] = -1e30
    store(root, volume)
    found = read()["A"][0].volume
    assert found.max() == 6 and found.min() == -12 and abs(np.median(found)) < 0.05
    assert abs(found[10:14].std() - 1) < 0.1


@right
def one_percent_of_voxel_size(root):
    set_voxel_size(volume_folder(root / "data", "A"), 10.012444)
    assert read()["A"][0].voxel_size == 10.012444


@right
def nanometres_that_agree(root):
    metadata(root, lambda level: [axis.update(unit="nanometer") for axis in level["axes"]])
    set_voxel_size(volume_folder(root / "data", "A"), 1.0)
    assert read()["A"][0].voxel_size == 10.0


@right
def one_slice(root):
    store(root, grey(0, (1, 24, 28)), run="T")
    assert read()["T"][0].volume.shape == (1, 24, 28)


# Picks


@refused(r"ribosome\.json: expected JSON")
def picks_are_empty(root):
    pick_file(root).write_text("")
    read()


@refused(r"ribosome\.json: expected JSON")
def picks_are_a_web_page(root):
    pick_file(root).write_text(HTML)
    read()


@refused(r"ribosome\.json: expected JSON")
def picks_are_a_pointer_of_lfs(root):
    pick_file(root).write_text(LFS)
    read()


@refused(r"ribosome\.json: expected JSON")
def picks_are_cut_off(root):
    path = pick_file(root)
    path.write_text(path.read_text()[:-20])
    read()


@refused(r"expected a JSON object with a list of points")
def picks_are_a_list(root):
    pick_file(root).write_text("[]")
    read()


@refused(r"point 0: expected a finite number of Å for x, but got \"100,5\"")
def picks_have_decimal_commas(root):
    change_picks(root, lambda content: content["points"][0]["location"].update(x="100,5"))
    read()


@refused(r"point 0: expected a finite number of Å for y, but got NaN")
def picks_have_nan(root):
    change_picks(root, lambda content: content["points"][0]["location"].update(y=float("nan")))
    read()


@refused(r"point 0: expected a finite number of Å for z, but got null")
def picks_lack_an_axis(root):
    change_picks(root, lambda content: content["points"][0]["location"].pop("z"))
    read()


@refused(r"expected the unit angstrom, .*, but got 'micron'")
def picks_are_in_microns(root):
    change_picks(root, lambda content: content.update(unit="micron"))
    read()


@right
def picks_are_in_nanometres(root):
    change_picks(root, lambda content: content.update(unit="nm"))
    change_picks(root, lambda content: content["points"][0].update(location={"x": 10.0, "y": 12.0, "z": 6.0}))
    assert read()["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@right
def picks_are_in_pixels(root):
    change_picks(root, lambda content: content.update(unit="px"))
    change_picks(root, lambda content: content["points"][0].update(location={"x": 10, "y": 12, "z": 6}))
    assert read()["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@right
def picks_are_in_voxels_of_another_tomogram(root):
    for told in (20.0, "20"):
        change_picks(root, lambda content, told=told: content.update(unit="voxel", voxel_spacing=told))
        change_picks(root, lambda content: content["points"][0].update(location={"x": 5, "y": 6, "z": 3}))
        assert read()["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@right
def picks_are_in_voxels_whose_size_is_told_roughly(root):
    set_voxel_size(volume_folder(root / "data", "A"), 10.012444)
    change_picks(root, lambda content: content.update(unit="voxel", voxel_spacing=10.0))
    change_picks(root, lambda content: content["points"][0].update(location={"x": 10, "y": 12, "z": 6}))
    assert np.allclose(read()["A"][1][["x", "y", "z"]], np.array([PLACE]) * 1.0012444)


@refused(r"expected a voxel_spacing above 0 Å for positions in voxels, but got -10")
def picks_are_in_voxels_of_a_negative_size(root):
    change_picks(root, lambda content: content.update(unit="voxel", voxel_spacing=-10))
    read()


@refused(r"point 0: expected transformation_ to end with the row 0, 0, 0, 1, .*, but got \[50\.0, 0\.0, 0\.0, 1\.0\]")
def picks_are_moved_by_a_matrix_that_is_transposed(root):
    matrix = np.eye(4)
    matrix[3, 0] = 50
    change_picks(root, lambda content: content["points"][0].update(transformation_=matrix.tolist()))
    read()


@right
def spacing_folder_has_other_decimals(root):
    folder = volume_folder(root / "data", "A").parent
    folder = folder.rename(folder.with_name("VoxelSpacing10"))
    assert read(voxel_spacing=10.0)["A"][0].voxel_size == 10.0
    folder.rename(folder.with_name("VoxelSpacing10.0"))
    assert read(voxel_spacing=10.0)["A"][0].voxel_size == 10.0


@right
def picks_have_a_byte_order_mark(root):
    path = pick_file(root)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read()["A"][1]) == 1


@refused(r"expected x, y, z within the volume .* but got 5000\.0, 120\.0, 60\.0 Å")
def picks_lie_far_outside(root):
    change_picks(root, lambda content: content["points"][0]["location"].update(x=5000))
    read()


@refused(r"Protein\.json: expected one of the species apo-ferritin, .*, but got Protein")
def picks_of_an_unknown_species(root):
    pick_file(root).rename(pick_file(root, name="Protein"))
    read()


@right
def picks_of_a_program_are_no_truth(root):
    change_picks(root, lambda content: content["points"][0].update(score=0.7))
    data = open_dataset(Path("data"))
    assert not data.has_picks("A") and len(data.picks("A")) == 0
    assert "passed over (user/session): curation/0 in A" in " ".join(whose_picks(data, "AB"))


@refused(r"expected one set of picks of ribosome, but got alice/1, bob/1 \(user/session\)")
def two_people_disagree(root):
    for user, x in (("alice", 100), ("bob", 130)):
        path = pick_file(root, name=f"{user}_1_ribosome")
        content = json.loads(pick_file(root).read_text())
        content["points"][0]["location"]["x"] = x
        path.write_text(json.dumps(content))
    pick_file(root).unlink()
    read()


@right
def two_people_agree(root):
    for user in ("alice", "bob"):
        shutil.copy(pick_file(root), pick_file(root, name=f"{user}_1_ribosome"))
    pick_file(root).unlink()
    assert len(read()["A"][1]) == 1


# MRC files and their tables


@refused(r"A\.mrc: expected an intact MRC file")
def mrc_is_empty(root):
    (root / "mrc/A.mrc").write_bytes(b"")
    read("mrc")


@refused(r"A\.mrc: expected an intact MRC file")
def mrc_is_a_pointer_of_lfs(root):
    (root / "mrc/A.mrc").write_text(LFS)
    read("mrc")


@refused(r"A\.mrc: expected an intact MRC file")
def mrc_is_a_web_page(root):
    (root / "mrc/A.mrc").write_text(HTML * 20)
    read("mrc")


@refused(r"A\.mrc: expected \d+ bytes for the shape \(16, 24, 28\), but the file ends after")
def mrc_is_cut_off(root):
    path = root / "mrc/A.mrc"
    path.write_bytes(path.read_bytes()[:-100])
    read("mrc")


@refused(r"A\.mrc\.gz: expected an intact MRC file")
def packed_mrc_is_cut_off(root):
    content = gzip.compress((root / "mrc/A.mrc").read_bytes())
    (root / "mrc/A.mrc").unlink()
    (root / "mrc/A.mrc.gz").write_bytes(content[:-300])
    read("mrc")


@refused(r"A\.mrc: no such file")
def mrc_is_a_dead_link(root):
    (root / "mrc/A.mrc").unlink()
    (root / "mrc/A.mrc").symlink_to("gone.mrc")
    read("mrc")


@refused(r"A\.mrc: expected an MRC mode of 0, 1, 2, 6, 12, but got 4")
def mrc_is_complex(root):
    header(root, "mode", 4)
    read("mrc")


@refused(r"A\.mrc: expected columns, rows and sections along the axes 1, 2, 3, but got \[3, 2, 1\]")
def mrc_has_turned_axes(root):
    header(root, "mapc", 3)
    header(root, "maps", 1)
    read("mrc")


@refused(r"A\.mrc: expected cubic voxels above 0 Å, but got -10")
def mrc_has_a_negative_voxel_size(root):
    header(root, "cella", (-280.0, 240.0, 160.0))
    read("mrc")


@refused(r"A\.mrc: expected a voxel size above 0 Å, but the header has none; give --voxel-spacing")
def mrc_has_no_voxel_size(root):
    header(root, "cella", (0.0, 0.0, 0.0))
    read("mrc")


@refused(r"A\.mrc: expected the voxel size of --voxel-spacing, 13\.48 Å within 1 %, but its header says 10 Å")
def mrc_contradicts_the_option(root):
    read("mrc", voxel_spacing=13.48)


@refused(r"A\.mrc: expected finite voxels, but slice 2 has NaN")
def mrc_has_nan(root):
    volume = grey(0)
    volume[2, 3, 4] = np.nan
    write_mrc(root / "mrc/A.mrc", np.nan_to_num(volume))
    with (root / "mrc/A.mrc").open("r+b") as file:  # mrcfile warns of what it would write
        file.seek(1024)
        file.write(volume.tobytes())
    read("mrc")


@refused(r"mrc: expected one file a run, but got A\.mrc and A\.rec")
def two_files_of_a_run(root):
    shutil.copy(root / "mrc/A.mrc", root / "mrc/A.rec")
    read("mrc")


@refused(r"expected a folder with train/static/ExperimentRuns or with MRC files .* but found none")
def folder_is_empty(root):
    (root / "nothing").mkdir()
    read("nothing")


@refused(r"but found both")
def folder_holds_both_kinds(root):
    shutil.copy(root / "mrc/A.mrc", root / "data/A.mrc")
    read()


@refused(r"nowhere: no such data")
def folder_is_not_there(root):
    read("nowhere")


@right
def modes_of_mrc(root):
    pattern = np.random.default_rng(0).normal(0, 20, SHAPE)
    expected = None
    for kind in (np.int8, np.int16, np.float32, np.uint16, np.float16):
        write_mrc(root / "mrc/A.mrc", (np.rint(pattern) + (100 if kind is np.uint16 else 0)).astype(kind))
        found = read("mrc")["A"][0].volume
        expected = found if expected is None else expected
        assert np.allclose(found, expected, atol=1e-5)


@right
def bytes_that_imod_stores_without_sign(root):
    levels = np.clip(np.random.default_rng(0).normal(128, 30, SHAPE), 0, 255).astype(np.uint8)
    write_mrc(root / "mrc/A.mrc", levels.view(np.int8))
    content = bytearray((root / "mrc/A.mrc").read_bytes())
    content[152:160] = np.array([1146047817, 0], "<i4").tobytes()
    (root / "mrc/A.mrc").write_bytes(content)
    assert np.corrcoef(read("mrc")["A"][0].volume.ravel(), levels.ravel())[0, 1] > 0.999


@right
def origin_of_an_mrc_file_moves_nothing(root):
    header(root, "origin", (500.0, 0.0, 0.0))
    header(root, "nxstart", 40)
    assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@refused(r"picks\.csv: line 1: expected the columns experiment,particle_type,x,y,z, but got no experiment")
def table_has_no_header(root):
    csv(root, header="A,ribosome,1,2,3")
    read("mrc")


@refused(r"picks\.csv: line 1: expected the columns .* but got no .*,z in 'experiment;particle_type;x;y;z'$")
def table_has_semicolons(root):
    csv(root, "A;ribosome;1;2;3", header="experiment;particle_type;x;y;z")
    read("mrc")


@refused(r"picks\.csv: line 1: expected the columns .* but got no .* in 'Experiment, particle_type, X, y, z'$")
def table_has_another_spelling(root):
    csv(root, "A,ribosome,1,2,3", header="Experiment, particle_type, X, y, z")
    read("mrc")


@refused(r"picks\.csv: line 1: expected a column that is called unit, but got 'Units'$")
def table_spells_its_unit_otherwise(root):
    csv(root, "A,ribosome,10,12,6,nm", header="experiment,particle_type,x,y,z,Units")
    read("mrc")


@refused(r"picks\.csv: line 2: expected 5 fields, but got 'A,ribosome,100,5,120,5,60,5'")
def table_has_decimal_commas(root):
    csv(root, "A,ribosome,100,5,120,5,60,5")
    read("mrc")


@refused(r"picks\.csv: line 2: expected a finite number for x, but got '100,5'")
def table_has_quoted_decimal_commas(root):
    csv(root, 'A,ribosome,"100,5",120,60')
    read("mrc")


@refused(r"picks\.csv: expected each column once, but got x twice")
def table_has_a_column_twice(root):
    csv(root, "A,ribosome,1,2,3,4", header="experiment,particle_type,x,y,z,x")
    read("mrc")


@refused(r"picks\.csv: line 2: expected a run of A, B, but got 'C'")
def table_has_an_unknown_run(root):
    csv(root, "C,ribosome,1,2,3")
    read("mrc")


@refused(r"picks\.csv: line 3: expected a species of .* but got 'Ribosome'")
def table_has_an_unknown_species(root):
    csv(root, "A,ribosome,1,2,3", "A,Ribosome,1,2,3")
    read("mrc")


@refused(r"picks\.csv: line 2: expected a finite number for z, but got 'inf'")
def table_has_infinity(root):
    csv(root, "A,ribosome,1,2,inf")
    read("mrc")


@refused(r"picks\.csv: expected a CSV file, but it cannot be read")
def table_is_utf_16(root):
    csv(root, "A,ribosome,1,2,3", encoding="utf-16")
    read("mrc")


@refused(r"picks\.csv: expected a CSV file .* but got an empty file")
def table_is_empty(root):
    (root / "mrc/picks.csv").write_bytes(b"")
    read("mrc")


@refused(r"picks\.csv: expected a CSV file, but it cannot be read")
def table_is_a_folder(root):
    (root / "mrc/picks.csv").unlink()
    (root / "mrc/picks.csv").mkdir()
    read("mrc")


@right
def table_comes_from_windows(root):
    csv(root, "A.mrc,ribosome,10,12,6,voxels", header="\ufeffexperiment,particle_type,x,y,z,unit", end="\r\n")
    assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@refused(r"point 0: expected x, y, z within the volume|picks\.csv: .* within the volume")
def table_says_nanometres_but_holds_angstrom(root):
    csv(root, "A,ribosome,100,120,60,nm", header="experiment,particle_type,x,y,z,unit")
    read("mrc")


def star(root, text, name="ribosome"):
    (root / "mrc/picks.csv").unlink(missing_ok=True)
    (root / f"mrc/{name}.star").write_text(text)


def loop(columns, *rows, block="particles"):
    numbered = [f"_{name} #{i}" for i, name in enumerate(columns, start=1)]
    return "\n".join([f"data_{block}", "", "loop_", *numbered, *rows, ""])


VOXELS = ("rlnTomoName", "rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ")


@refused(r"ribosome\.star: expected a STAR file|ribosome\.star: expected a block particles")
def star_is_a_web_page(root):
    star(root, HTML)
    read("mrc")


@refused(r"ribosome\.star: expected a block particles|ribosome\.star: expected a STAR file")
def star_is_empty(root):
    star(root, "")
    read("mrc")


@refused(r"ribosome\.star: expected the columns rlnTomoName .* but got rlnCoordinateX")
def star_names_no_tomogram(root):
    star(root, loop(VOXELS[1:], "1 2 3"))
    read("mrc")


@refused(r"ribosome\.star: particle 2: expected a run of A, B for rlnTomoName, but got 'Z'")
def star_names_another_tomogram(root):
    star(root, loop(VOXELS, "A 10 12 6", "Z 10 12 6"))
    read("mrc")


@refused(r"ribosome\.star: particle 1: expected coordinates in voxels of the tomogram .* but got '1\.35'")
def star_is_in_other_pixels(root):
    star(root, loop((*VOXELS, "rlnPixelSize"), "A 70 80 40 1.35"))
    read("mrc")


@refused(r"expected a file called after a species, .*|mol\.star: expected a file called after a species")
def star_is_called_otherwise(root):
    star(root, loop(VOXELS, "A 10 12 6"), name="mol")
    read("mrc")


@right
def star_of_warp_1_tells_the_size_of_voxels(root):
    star(root, loop((*VOXELS, "rlnMagnification", "rlnDetectorPixelSize"), "A.tomostar 10 12 6 10000 10.0"))
    assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]
    star(root, loop((*VOXELS, "rlnDetectorPixelSize"), "A 10 12 6 10.0"))
    assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@refused(r"ribosome\.star: particle 1: expected coordinates in voxels .* for rlnDetectorPixelSize, but got '20'")
def star_of_warp_1_is_in_other_voxels(root):
    star(root, loop((*VOXELS, "rlnMagnification", "rlnDetectorPixelSize"), "A.tomostar 5 6 3 10000 20"))
    read("mrc")


@refused(r"ribosome\.star: particle 2: expected coordinates in voxels .* for rlnDetectorPixelSize, but got '5'")
def star_of_pytom_is_in_other_voxels(root):
    star(root, loop((*VOXELS, "rlnDetectorPixelSize"), "A 10 12 6 10", "A 20 24 12 5"))
    read("mrc")


@right
def star_whose_particles_tell_the_pixels_of_the_tilt_series(root):
    for name in ("rlnTomoTiltSeriesPixelSize", "rlnMicrographPixelSize"):
        star(root, loop((*VOXELS, name), "A 20 24 12 5"))
        assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@refused(r"ribosome\.star: expected each block once, but got data_particles twice")
def star_is_two_star_files(root):
    star(root, loop(VOXELS, "A 10 12 6") + "\n" + loop(VOXELS, "B 10 12 6"))
    read("mrc")


@refused(r"ribosome\.star: particle 2: expected a name for rlnTomoName that is not read as missing, .* but got 'nan'")
def star_names_a_tomogram_that_is_read_as_missing(root):
    star(root, loop(VOXELS, "A 10 12 6", "nan 10 12 6"))
    read("mrc")


@right
def star_in_pixels_of_two_tilt_series(root):
    optics = loop(("rlnOpticsGroup", "rlnTomoTiltSeriesPixelSize"), "1 2.5", "2 5", block="optics")
    star(root, optics + "\n" + loop((*VOXELS, "rlnOpticsGroup"), "A 40 48 24 1", "B 20 24 12 2"))
    assert [read("mrc")[run][1][["x", "y", "z"]].to_numpy().tolist() for run in "AB"] == [[PLACE], [PLACE]]


@refused(r"ribosome\.star: particle 1: expected an rlnOpticsGroup of the block optics, but got '3'")
def star_names_an_unknown_optics_group(root):
    optics = loop(("rlnOpticsGroup", "rlnTomoTiltSeriesPixelSize"), "1 2.5", "2 5", block="optics")
    star(root, optics + "\n" + loop((*VOXELS, "rlnOpticsGroup"), "A 40 48 24 3"))
    read("mrc")


@right
def star_in_pixels_of_the_tilt_series(root):
    optics = loop(("rlnOpticsGroup", "rlnTomoTiltSeriesPixelSize"), "1 2.5", block="optics")
    star(root, optics + "\n" + loop((*VOXELS, "rlnOpticsGroup"), "A 40 48 24 1"))
    assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@right
def star_from_windows_with_a_folder_in_the_name(root):
    star(root, loop(VOXELS, "tomograms/A.mrc 10 12 6").replace("\n", "\r\n"))
    assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@right
def star_after_a_refinement(root):
    origins = [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
    star(root, loop((*VOXELS, *origins), "A 11 12 7 10 0 10"))
    assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]
    centred = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
    star(root, loop(("rlnTomoName", *centred, *origins), "A -30 0 -30 10 0 -10"))  # the centre is 140, 120, 80
    assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@right
def star_of_turned_subtomograms_that_have_not_moved(root):
    columns = (*VOXELS, "rlnOriginXAngst", "rlnTomoSubtomogramRot")
    star(root, loop(columns, "A 10 12 6 0 30"))
    assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@refused(r"ribosome\.star: particle 2: expected rlnOriginXAngst = 0 where rlnTomoSubtomogramRot turns .* but got '5'")
def star_of_turned_subtomograms(root):
    columns = (*VOXELS, *(f"rlnOrigin{axis}Angst" for axis in "XYZ"), "rlnTomoSubtomogramRot")
    star(root, loop(columns, "A 10 12 6 5 0 0 0", "A 10 12 6 5 0 0 30"))
    read("mrc")


@refused(r"ribosome\.star: particle 1: expected origins in Å \(rlnOriginXAngst, .*\), or 0, but got '2'")
def star_has_origins_in_pixels(root):
    star(root, loop((*VOXELS, "rlnOriginX", "rlnOriginY", "rlnOriginZ"), "A 10 12 6 2 0 0"))
    read("mrc")


@right
def star_of_one_particle_without_a_loop(root):
    star(
        root, "data_particles\n\n" + "\n".join(f"_{n} {v}" for n, v in zip(VOXELS, ["A", "10", "12", "6"], strict=True))
    )
    assert read("mrc")["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@right
def star_names_tilt_series(root):
    for file, name in (("rec_A.mrc", "A"), ("A_10.00Apx.mrc", "A.tomostar"), ("A.rec", "A.mrc.tomostar")):
        next(root.glob("mrc/*A*")).rename(root / "mrc" / file)
        star(root, loop(VOXELS, f"{name} 10 12 6", "B 10 12 6"))
        run = file.removesuffix(".mrc").removesuffix(".rec")
        assert read("mrc")[run][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE]


@refused(r"ribosome\.star: particle 1: expected a run of A_10\.00Apx, A_5\.00Apx, B for rlnTomoName, but got 'A'")
def star_names_a_tilt_series_of_two_tomograms(root):
    shutil.copy(root / "mrc/A.mrc", root / "mrc/A_5.00Apx.mrc")
    (root / "mrc/A.mrc").rename(root / "mrc/A_10.00Apx.mrc")
    star(root, loop(VOXELS, "A 10 12 6"))
    read("mrc")


@right
def copick_picks_beside_mrc_files(root):
    (root / "mrc/picks.csv").unlink()
    shutil.copy(pick_file(root), root / "mrc/of A.json")
    (root / "mrc/notes.json").write_text('{"a": 1}')
    found = read("mrc")
    assert found["A"][1][["x", "y", "z"]].to_numpy().tolist() == [PLACE] and not len(found["B"][1])
    assert read("mrc", user="curation")["A"][1].equals(found["A"][1])
    (root / "mrc/of A.json").write_text((root / "mrc/of A.json").read_text().replace('"score": 1.0', '"score": 0.4'))
    assert not len(read("mrc")["A"][1])


@refused(r"of C\.json: expected the run_name A, B, but got 'C'")
def copick_picks_of_an_unknown_mrc_file(root):
    content = json.loads(pick_file(root).read_text())
    (root / "mrc/of C.json").write_text(json.dumps({**content, "run_name": "C"}))
    read("mrc")


@refused(r"of A\.json: expected one set of picks of ribosome|picks\.csv: expected one set of picks of ribosome")
def copick_picks_that_the_table_contradicts(root):
    content = json.loads(pick_file(root).read_text())
    content["points"][0]["location"]["x"] += 10
    (root / "mrc/of A.json").write_text(json.dumps(content))
    read("mrc")


@refused(r"A\.mrc: expected a folder of MRC files, but got one of them")
def data_is_one_mrc_file(root):
    read("mrc/A.mrc")


@right
def suffix_in_capitals(root):
    (root / "mrc/A.mrc").rename(root / "mrc/A.MRC")
    assert len(read("mrc")["A"][1]) == 1


@right
def micrometres(root):
    metadata(root, lambda level: [axis.update(unit="micrometer") for axis in level["axes"]])
    set_voxel_size(volume_folder(root / "data", "A"), 0.001)
    assert read()["A"][0].voxel_size == pytest.approx(10.0)


@right
def several_users_are_said(root):
    for run, user in (("A", "alice"), ("B", "octopi")):
        pick_file(root, run=run).rename(pick_file(root, run=run, name=f"{user}_1_ribosome"))
    line = "picks of several users count as truth (choose one with --user): alice in A, octopi in B"
    assert whose_picks(open_dataset(Path("data")), "AB") == [line]
    assert not whose_picks(open_dataset(Path("data"), user="alice"), "AB")


# Names


ODD = (
    "grid[1]",
    "a*b?",
    "#3",
    "it's",
    '"q"',
    "two words",
    "té ß 北",
    "NA",
    "null",
    "nan",
    "007",
    "1e5",
    "-x",
    "a+b",
    "%s",
    "$HOME",
)


@right
def names_of_runs(root):
    data = root / "names"
    for seed, name in enumerate(ODD):
        picks = {"ribosome": np.array([PLACE])}
        write_run(data, "train", name, volume=grey(seed), voxel_size=10.0, picks=picks)
    found = read("names")
    assert sorted(found) == sorted(ODD)
    assert all(set(picks["experiment"]) == {name} for name, (_, picks) in found.items())


@right
def names_of_mrc_files(root):
    names = [name for name in ODD if name != "A"]
    for name in names:
        shutil.copy(root / "mrc/B.mrc", root / f"mrc/{name}.mrc")
    table = pd.DataFrame(
        [(name, "ribosome", *PLACE) for name in names], columns=["experiment", "particle_type", "x", "y", "z"]
    )
    table.to_csv(root / "mrc/picks.csv", index=False)
    found = read("mrc")
    assert set(found) == {*names, "A", "B"} and all(len(found[name][1]) == 1 for name in names)


@right
def names_of_folders(root):
    odd = root / "my [data]* #1 ü"
    shutil.copytree(root / "data", odd)
    assert len(read(odd)["A"][1]) == 1


@refused(r"expected names of tomograms in UTF-8")
def name_is_no_utf_8(root):
    folder = root / "data/train/static/ExperimentRuns"
    (folder / "A").rename(folder / "t\udce9")
    read()


@refused(r"expected names of tomograms .*, but got 'A\\nB'")
def name_breaks_lines(root):
    folder = root / "data/train/static/ExperimentRuns"
    (folder / "A").rename(folder / "A\nB")
    read()


@refused(r"expected names of tomograms of at most")
def name_is_too_long_for_what_is_written(root):
    folder = root / "data/train/static/ExperimentRuns"
    (folder / "A").rename(folder / ("ü" * 125))
    read()


# copick configs


def config(root, **changes):
    return write_config(root / "data/project.json", **changes)


def objects(*changes):
    base = {"name": "ribosome", "is_particle": True, "label": 1, "radius": 150}
    return [{**base, **change} for change in changes]


@refused(r"project\.json: expected JSON")
def config_is_a_web_page(root):
    config(root).write_text(HTML)
    read("data/project.json")


@refused(r"project\.json: expected a copick config")
def config_is_something_else(root):
    config(root).write_text('{"a": 1}')
    read("data/project.json")


@refused(r"project\.json: expected a folder as static_root, but /nowhere/static is none$")
def config_points_nowhere(root):
    read(config(root, overlay_root="local:///nowhere/overlay", static_root="local:///nowhere/static"))


@refused(r"project\.json: expected a copick config that copick can open|filesystem")
def config_lies_on_a_share(root):
    read(config(root, static_root="smb://server/share/static"))


@refused(r"expected distinct names of pickable objects|Duplicate")
def config_has_a_species_twice(root):
    read(config(root, pickable_objects=objects({}, {"label": 2})))


@refused(r"expected a radius above 0 Å for ribosome, but got")
def config_has_no_radius(root):
    read(config(root, pickable_objects=objects({"radius": None})))


@refused(r"ribosome|radius")
def config_has_a_negative_radius(root):
    read(config(root, pickable_objects=objects({"radius": -150})))


@refused(r"expected at least one pickable object with is_particle true")
def config_has_only_membranes(root):
    read(config(root, pickable_objects=objects({"is_particle": False})))


@right
def config_says_false_in_words(root):
    changes = ({}, {"name": "membrane", "is_particle": "false", "label": 2, "radius": None})
    data = open_dataset(config(root, pickable_objects=objects(*changes)))
    assert [particle.name for particle in data.particles] == ["ribosome"]


@right
def config_has_numbers_as_text(root):
    data = open_dataset(config(root, pickable_objects=objects({"label": "3", "radius": "150"})))
    assert data.particles[0].radius == 150.0


@right
def overlay_lies_over_static(root):
    static, overlay = root / "data/train/static", root / "data/train/overlay"
    for place, x in ((static, 130.0), (overlay, 100.0)):
        path = place / "ExperimentRuns/A/Picks/alice_1_ribosome.json"
        path.parent.mkdir(exist_ok=True, parents=True)
        content = json.loads(pick_file(root, run="B").read_text())
        content["points"][0]["location"]["x"] = x
        path.write_text(json.dumps(content))
    pick_file(root).unlink()
    assert read(config(root))["A"][1]["x"].tolist() == [100.0]


@right
def tomogram_in_overlay_and_static(root):
    static = root / "data/train/static/ExperimentRuns/A/VoxelSpacing10.000"
    own = root / "data/train/overlay/ExperimentRuns/A/VoxelSpacing10.000"
    shutil.copytree(static, own)
    assert read(config(root))["A"][0].voxel_size == 10.0


@right
def picks_in_a_run_without_tomogram(root):
    folder = root / "data/train/overlay/ExperimentRuns/C/Picks"
    folder.mkdir(parents=True)
    shutil.copy(pick_file(root), folder / "alice_1_ribosome.json")
    data = open_dataset(config(root))
    assert not data.has_tomogram("C") and data.has_picks("C")


@pytest.mark.parametrize("name", REFUSED)
def test_an_odd_input_is_refused_in_one_line(root, name, capsys):
    function, rule = REFUSED[name]
    assert re.search(rule, refusal(lambda: function(root), capsys))


@pytest.mark.parametrize("name", RIGHT)
def test_an_odd_input_is_read_right(root, name):
    RIGHT[name](root)
