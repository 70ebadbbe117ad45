import json

import numpy as np
import pytest
import starfile

from postproc.candidates import concatenate, empty_candidates, make_candidates
from submissions.export.names import Naming
from submissions.export.provenance import Provenance
from submissions.export.relion5 import write_relion5
from submissions.export.submission import Extent, clip
from submissions.export.warp import write_warp
from tests.submissions.conftest import RUN, TEST
from tests.submissions.export.test_exports import make
from tests.submissions.test_make import submission
from tomograms.errors import InputError

EXTENTS = {"A": Extent((184, 630, 512), 10.012), "B": Extent((51, 77, 91), 7.84), "C": Extent((9, 9, 9), 10.0)}
PROVENANCE = Provenance("ensemble", "1", "denoised", "tiny", "0123456789ab", True)
CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
VOXELS = [f"rlnCoordinate{axis}" for axis in "XYZ"]
SPECIES = ["ribosome", "apo-ferritin"]


def picks():
    generator = np.random.default_rng(0)
    tables = []
    for name in ("A", "B"):
        place = generator.uniform(0, 1, (20, 3)) * np.array(EXTENTS[name].shape[::-1]) * EXTENTS[name].voxel_size
        scores = np.linspace(0.1, 0.9, 20)
        tables.append(make_candidates(name, "ribosome", place, scores, member="e", model=""))
    return clip(concatenate(tables), EXTENTS)


def read(path):
    (table,) = starfile.read(path, always_dict=True, parse_as_string=["rlnTomoName"]).values()
    return table


def write(writer, folder, **options):
    return writer(folder, picks(), species=SPECIES, extents=EXTENTS, provenance=PROVENANCE, **options)


def test_centred_coordinates_for_relion5(tmp_path):
    ribosome, _ = write(write_relion5, tmp_path)
    table = read(ribosome.with_name("particles.star"))
    assert list(table.columns) == ["rlnTomoName", *CENTRED, "rlnAutopickFigureOfMerit"]
    assert table["rlnTomoName"].tolist() == picks()["experiment"].tolist()
    # By hand: the middle of 512 voxels of 10.012 Å lies at 256 * 10.012 Å, that of 91 of 7.84 Å at 45.5 * 7.84 Å.
    middle = {"A": [2563.072, 3153.78, 921.104], "B": [356.72, 301.84, 199.92]}
    expected = picks()[["x", "y", "z"]].to_numpy() - np.array([middle[name] for name in picks()["experiment"]])
    assert np.allclose(table[CENTRED], expected, rtol=0, atol=1e-5)
    assert np.allclose(table["rlnAutopickFigureOfMerit"], picks()["score"], rtol=0, atol=1e-6)


def test_the_list_of_files_for_relion5(tmp_path):
    ribosome, nothing = write(write_relion5, tmp_path / "out", naming=Naming("x_"))
    index = read(ribosome)
    assert list(index.columns) == ["rlnTomoName", "rlnTomoImportParticleFile"]
    assert index["rlnTomoName"].tolist() == ["x_A", "x_B"]  # an empty file stops RELION's import
    whole = read(ribosome.with_name("particles.star"))
    for name, path in index.to_numpy():
        own = whole[whole["rlnTomoName"] == name].reset_index(drop=True)
        assert path == str(tmp_path / "out" / "ribosome" / "tomograms" / f"{name[2:]}.star")
        assert read(path).equals(own)
    assert "_rlnTomoImportParticleFile #2" in nothing.read_text() and not nothing.with_name("tomograms").exists()
    assert json.loads((tmp_path / "out" / "provenance.json").read_text())["run"] == "tiny"


def test_an_outdated_file_is_removed(tmp_path):
    write(write_relion5, tmp_path)
    only = picks()[picks()["experiment"] == "B"]
    write_relion5(tmp_path, only, species=SPECIES, extents=EXTENTS, provenance=PROVENANCE)
    assert [path.name for path in (tmp_path / "ribosome" / "tomograms").iterdir()] == ["B.star"]


def test_a_path_that_a_star_file_cannot_hold(tmp_path):
    with pytest.raises(InputError, match="--to relion5: expected paths of exported files that a STAR file can hold"):
        write(write_relion5, tmp_path / "it's")
    ribosome, _ = write(write_relion5, tmp_path / "my #1 folder")
    assert str(tmp_path / "my #1 folder") in read(ribosome)["rlnTomoImportParticleFile"].iloc[0]


def test_voxels_for_warp(tmp_path):
    ribosome, nothing = write(write_warp, tmp_path)
    assert (ribosome.name, nothing.name) == ("ribosome.star", "apo-ferritin.star")
    table = read(ribosome)
    assert list(table.columns) == ["rlnMicrographName", *VOXELS, "rlnPixelSize", "rlnAutopickFigureOfMerit"]
    assert table["rlnMicrographName"].tolist() == [f"{name}.tomostar" for name in picks()["experiment"]]
    back = table[VOXELS].to_numpy() * table[["rlnPixelSize"]].to_numpy()  # 0 is the centre of the first voxel
    assert np.allclose(back, picks()[["x", "y", "z"]], rtol=0, atol=1e-4)
    assert set(table["rlnPixelSize"]) == {10.012, 7.84}
    assert json.loads((tmp_path / "provenance.json").read_text())["simulated"] is True


@pytest.mark.parametrize("writer", [write_relion5, write_warp])
def test_nothing_at_all(tmp_path, writer):
    paths = writer(tmp_path, empty_candidates(), species=SPECIES, extents={}, provenance=PROVENANCE)
    assert len(paths) == 2 and all("loop_" in path.read_text() for path in paths)


def test_all_formats_of_a_run(predicted, capsys):
    assert make("--to", "star", "relion5", "warp", "--name-prefix", "p_", "--name-suffix", "_s") == 0
    folder = predicted.root / RUN / "exports"
    expected = submission(predicted)
    ribosomes = expected[expected["particle_type"] == "ribosome"]
    for path in ("ribosome.star", "relion5/ribosome/particles.star", "warp/ribosome.star"):
        table = list(starfile.read(folder / path, always_dict=True).values())[-1]
        names = {f"p_{name}_s.tomostar" if "warp" in path else f"p_{name}_s" for name in TEST}
        assert len(table) == len(ribosomes) and set(table.iloc[:, 0]) == names
    out = capsys.readouterr().out
    assert "6 STAR files (relion5) in runs/tiny/exports/relion5" in out and "6 STAR files (warp)" in out
