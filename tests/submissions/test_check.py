import subprocess
import sys

import mrcfile
import numpy as np
import pytest

from submissions.check import main
from tests.tomograms.trees import volume_folder
from tomograms.errors import run_command
from tomograms.kaggle_tree import write_run

GOOD = "id,experiment,particle_type,x,y,z\n0,TS_8,ribosome,100.0,200.0,150.0\n"


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, [str(a) for a in arguments])
    return end.value.code


def test_a_valid_file(project, capsys):
    path = project.root / "s.csv"
    path.write_text(GOOD)
    assert run(path) == 0 and run(path, "--data", project.data) == 0
    assert capsys.readouterr().out.count("valid; 1 particle in 1 experiment") == 2


@pytest.mark.parametrize(("old", "new"), [("TS_8", "TS_7"), ("100.0", "555.1"), ("ribosome", "proteasome")])
def test_a_bad_line_with_the_data(project, capsys, old, new):
    path = project.root / "s.csv"
    path.write_text(GOOD.replace(old, new))
    assert run(path, "--data", project.data) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: line 2: expected ") and new in error and error.count("\n") == 1


def test_positions_in_voxels_are_said(project, capsys):
    path = project.root / "s.csv"
    path.write_text(GOOD + "1,TS_8,ribosome,9.0,20.0,15.0\n2,TS_8,ribosome,12.0,8.0,5.0\n")
    assert run(path, "--data", project.data) == 0
    assert "are they in voxels" not in capsys.readouterr().out
    path.write_text(path.read_text().replace("100.0,200.0,150.0", "10.0,20.0,15.0"))
    assert run(path, "--data", project.data) == 0
    assert "in TS_8: are they in voxels or nanometres, and not in Å?" in capsys.readouterr().out


def test_which_tomograms_are_meant_can_be_said(tmp_path, capsys):
    with mrcfile.new(tmp_path / "TS_8.mrc") as file:
        file.set_data(np.zeros((30, 30, 30), np.float32))  # with a header that says 1 Å
        file.voxel_size = 1.0
    path = tmp_path / "s.csv"
    path.write_text(GOOD)
    assert run(path, "--data", tmp_path) == 2 and "give --voxel-spacing" in capsys.readouterr().err
    assert run(path, "--data", tmp_path, "--voxel-spacing", 10) == 0


def test_tomograms_of_another_type(tmp_path, capsys):
    write_run(tmp_path, "test", "TS_8", volume=np.zeros((30, 30, 30), np.float32), voxel_size=10.0, picks={})
    volume = volume_folder(tmp_path, "TS_8", split="test")
    volume.rename(volume.with_name("wbp.zarr"))
    path = tmp_path / "s.csv"
    path.write_text(GOOD)
    assert run(path, "--data", tmp_path) == 2
    assert "expected tomograms, but found none of this type and voxel spacing" in capsys.readouterr().err
    assert run(path, "--data", tmp_path, "--tomo-type", "wbp") == 0


def test_no_such_data(project, capsys):
    path = project.root / "s.csv"
    path.write_text(GOOD)
    assert run(path, "--data", project.root / "nowhere") == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "make", "pictures", "kaggle"])
def test_help_imports_nothing_heavy(command):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['x', '--help']\n"
        "try:\n"
        f"    runpy.run_module('submissions.{command}', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "heavy = {'torch', 'monai', 'ultralytics', 'optuna', 'sklearn', 'matplotlib', 'copick'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
