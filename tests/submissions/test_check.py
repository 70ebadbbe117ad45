import subprocess
import sys

import pytest

from submissions.check import main
from tomograms.errors import run_command

GOOD = "id,experiment,particle_type,x,y,z\n0,TS_8,ribosome,100.0,200.0,150.0\n"


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, [str(a) for a in arguments])
    return end.value.code


def test_a_valid_file(project, capsys):
    path = project.root / "s.csv"
    path.write_text(GOOD)
    assert run(path) == 0 and run(path, "--data", project.data) == 0
    assert capsys.readouterr().out.count("valid; 1 particles in 1 experiments") == 2


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
