import json
import shutil
import sys
from importlib import metadata
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from packaging.utils import canonicalize_name

from submissions.kaggle.__main__ import main
from submissions.kaggle.bundle import COMPETITION, slug
from submissions.kaggle.notebook import read_cells, write_notebook
from submissions.kaggle.packing import dropped, share_found
from submissions.kaggle.rehearsal import find_python, lay_out, make_environment, run_notebook
from tests.submissions.conftest import RUN
from tomograms.errors import InputError, run_command
from tomograms.files import read_json, write_json

HERE = Path(sys.executable)


def kaggle(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--run", "tiny", *map(str, arguments)])
    return end.value.code


@pytest.fixture
def image(tmp_path):
    """Return a list of everything that is installed here: nothing has to be downloaded."""
    names = sorted({canonicalize_name(d.metadata["Name"]) for d in metadata.distributions()})
    path = tmp_path / "image.txt"
    path.write_text("\n".join(names))
    return path


def test_the_bundle(predicted, image, capsys):
    folder = predicted.root / "bundle"
    record = predicted.root / RUN / "run.json"
    content = read_json(record)
    content["data"] |= {name: str(predicted.root / name) for name in ("mask", "picks")}
    write_json(record, content)
    assert kaggle("--out", folder, "--account", "somebody", "--image", image, "--budget", "5h") == 0
    out = capsys.readouterr().out
    assert f"kaggle datasets create -p {folder}" in out and "kaggle kernels push" in out
    assert sorted(path.name for path in folder.iterdir()) == [
        "bundle.json",
        "dataset-metadata.json",
        "kernel-metadata.json",
        "run",
        "submit.ipynb",
        "wheels",
    ]
    kernel, dataset = (read_json(folder / f"{kind}-metadata.json") for kind in ("kernel", "dataset"))
    assert kernel["dataset_sources"] == [dataset["id"]] == ["somebody/cryoet-picks-tiny-bundle"]
    assert kernel["id"] == "somebody/" + slug(kernel["title"]) and 6 <= len(kernel["title"]) <= 50
    assert kernel["competition_sources"] == [COMPETITION]
    assert (kernel["enable_gpu"], kernel["enable_internet"], kernel["code_file"]) == (True, False, "submit.ipynb")
    assert len(list((folder / "wheels").iterdir())) == 1
    assert len(list((folder / "run").rglob("weights.safetensors"))) == 4
    assert str(predicted.root) not in (folder / "run" / "run.json").read_text()
    notebook = nbformat.read(folder / "submit.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert "BUDGET = '5h'" in read_cells(folder / "submit.ipynb")[0]
    assert kaggle("--out", folder, "--image", image) == 0  # an old bundle is replaced


def test_a_folder_that_holds_something_else_is_left_alone(predicted, image, capsys):
    assert kaggle("--out", predicted.root / "data", "--image", image) == 2
    assert "something else" in capsys.readouterr().err and (predicted.root / "data" / "test").is_dir()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "soon"], "--budget"),
        (["--expect", "0"], "--expect"),
        (["--account", "Ä b"], "--account: expected the name"),
        (["--account", "https://www.kaggle.com/me"], "--account: expected the name"),
        (["--image", "nothing.txt"], "nothing.txt"),
        (["--runs", "nowhere"], "nowhere"),
        (["--rehearse", "--python", "3.999"], "--python: expected python3.999 on PATH or in"),
        (["--rehearse", "--python", "nothing"], "--python: expected a version as 3.12, or the path"),
    ],
)
def test_wrong_input_is_one_line(predicted, capsys, arguments, said):
    assert kaggle(*arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_missing_weights(predicted, image, capsys):
    (predicted.run.jobs("maps")[0] / "weights.safetensors").unlink()
    assert kaggle("--out", predicted.root / "bundle", "--image", image) == 2
    error = capsys.readouterr().err
    assert "weights.safetensors" in error and "evaluation.cv --run tiny" in error
    assert kaggle("--out", predicted.root / "bundle", "--image", image, "--final", "all") == 2
    assert "submissions.make --final all --run tiny" in capsys.readouterr().err


REGISTER = """
import importlib.abc, importlib.util, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "models.registry":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            module.MEMBERS.update(maps="fakes:MapsMember", boxes="fakes:BoxesMember")
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""


def test_the_rehearsal(predicted, image, capsys, monkeypatch):
    """The fake members are no part of the wheel: they are laid into the fresh environment as a plug-in."""

    def with_fakes(folder, **options):
        python = make_environment(folder, **options)
        site = next((folder / "lib").glob("python*/site-packages"))
        shutil.copy(sys.modules["tests.submissions.fakes"].__file__, site / "fakes.py")
        (site / "fakes_plugin.py").write_text(REGISTER)
        (site / "fakes.pth").write_text("import fakes_plugin\n")
        return python

    monkeypatch.setattr("submissions.kaggle.packing.make_environment", with_fakes)
    folder = predicted.root / "bundle"
    assert kaggle("--out", folder, "--image", image, "--rehearse") == 0, (folder.parent / "rehearsal.log").read_text()
    out = capsys.readouterr().out
    assert "score against the truth of 2 tomograms: 0.9" in out
    assert f"the same submission as {RUN / 'submission.csv'}, byte by byte" in out
    log = (folder.parent / "rehearsal.log").read_text()
    assert "time budget: 11 h 00 min for 500 tomograms" in log and "valid;" in log
    assert "\x1b" not in log  # a kernel asks for colours; moving bars would fill the notebook


def test_no_network_and_no_project_in_the_fresh_environment(tmp_path):
    python = make_environment(tmp_path / "environment", python=HERE, without={"starfile"})
    cells = [
        "import numpy",
        "try:\n    import submissions\nexcept ImportError:\n    print('no project')",
        "try:\n    import starfile\nexcept ImportError:\n    print('no starfile')",
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9))\nexcept OSError as e:\n    print(e)",
        "raise SystemExit(5)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "n.ipynb")
    log = tmp_path / "log.txt"
    code = run_notebook(tmp_path / "n.ipynb", python, inputs=tmp_path, working=tmp_path / "working", log=log)
    assert code == 5
    lines = log.read_text().splitlines()
    assert lines[:2] == ["no project", "no starfile"] and "no network" in lines[2]


def test_finding_what_is_attached(tmp_path, monkeypatch):
    write_notebook(tmp_path / "submit.ipynb", budget="11h", expect=500, final="folds")
    cell = read_cells(tmp_path / "submit.ipynb")[0]
    deep = tmp_path / "input" / "datasets" / "somebody" / "bundle"
    deep.mkdir(parents=True)
    (deep / "bundle.json").write_text(json.dumps({}))
    data = tmp_path / "input" / "competitions" / "czii"
    (data / "test" / "static" / "ExperimentRuns").mkdir(parents=True)
    monkeypatch.setenv("KAGGLE_INPUT", str(tmp_path / "input"))
    names = {}
    exec(cell, names)
    assert (names["bundle"], names["data"]) == (deep, data)
    assert (names["BUDGET"], names["EXPECT"]) == ("11h", 500)


def test_a_notebook_without_its_bundle_is_one_line(tmp_path):
    (tmp_path / "input" / "czii" / "test/static/ExperimentRuns").mkdir(parents=True)
    (line,) = ended(tmp_path)
    assert line.startswith("error: ") and "the bundle" in line and "bundle.json" in line


def test_a_notebook_without_data_is_one_line(tmp_path):
    (tmp_path / "input" / "x").mkdir(parents=True)
    (tmp_path / "input" / "x" / "bundle.json").write_text("{}")
    (line,) = ended(tmp_path)
    assert line.startswith("error: ") and "the competition's data" in line and "test/static/ExperimentRuns" in line


def ended(place):
    """Run the notebook on what is attached, which must end it with code 2; return what it said."""
    write_notebook(place / "submit.ipynb", budget="11h", expect=500, final="folds")
    python, log = make_environment(place / "environment", python=HERE, without=()), place / "log.txt"
    inputs = place / "input"
    assert run_notebook(place / "submit.ipynb", python, inputs=inputs, working=place / "working", log=log) == 2
    return log.read_text().splitlines()


def test_data_without_test_tomograms(tmp_path):
    with pytest.raises(InputError, match="rehearse"):
        lay_out(tmp_path, tmp_path, tmp_path / "input")


def interpreter(path, works):
    """Write a program that starts as an interpreter would, or that fails as pyenv's names on PATH do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexit {0 if works else 127}\n")
    path.chmod(0o755)
    return path


def test_an_interpreter_is_found_by_its_version_or_path(tmp_path, monkeypatch):
    shim = interpreter(tmp_path / "shims" / "python3.98", works=False)
    monkeypatch.setenv("PATH", str(shim.parent), prepend=":")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    with pytest.raises(InputError, match=r"python3\.98 on PATH or in .*there is none that runs"):
        find_python("3.98")
    managed = interpreter(tmp_path / "pyenv" / "versions" / "3.98.1" / "bin" / "python", works=True)
    assert find_python("3.98") == find_python("3.98.1") == find_python(str(managed)) == managed
    interpreter(shim, works=True)
    assert find_python("3.98") == shim


def test_what_the_image_has_and_the_interpreter_lacks_is_installed_or_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InputError, match=r"--python: expected to install no-such-thing==1\.5, but cannot \(.+\)"):
        make_environment(
            tmp_path / "environment", python=HERE, without=(), wanted={"numpy": "2.1.3", "no-such-thing": "1.5"}
        )


def test_the_share_of_picks_that_two_submissions_have_in_common():
    columns = ["experiment", "particle_type", "x", "y", "z"]
    one = pd.DataFrame([("A", "ribosome", 10.0, 0.0, 0.0), ("A", "ribosome", 90.0, 0.0, 0.0)], columns=columns)
    other = pd.DataFrame([("A", "ribosome", 10.5, 0.0, 0.0), ("B", "ribosome", 90.0, 0.0, 0.0)], columns=columns)
    assert (share_found(one, one), share_found(one, other), share_found(one.iloc[:0], other)) == (1.0, 0.5, 1.0)
    assert share_found(one, other.assign(particle_type="virus-like-particle")) == 0.0


def test_what_the_time_budget_dropped_in_a_rehearsal_is_seen():
    """A slow machine predicts less than `submissions.make` did: that is no disagreement."""
    start = "time budget: 11 h 00 min for 500 tomograms; if it is short: test-time views divided by 2"
    line = "time budget: from TS_9 on, dropped: test-time views divided by 8; without boxes"
    assert dropped(f"{start}\n{line}\nfailed") == line  # test_workers asks for this form
    assert dropped(start) == ""
