"""What people ask commands for: each of these is refused in one line that names option or file, value and rule."""

import re
import shutil
from pathlib import Path

import pytest

from ensemble.build import main as build
from evaluation.cv import main as cv
from evaluation.folds import main as folds
from evaluation.metric import main as metric
from evaluation.runs import main as runs
from models import registry
from models.pretrain import main as pretrain
from submissions.check import main as check
from submissions.make import main as make
from tests.evaluation.test_cv import NAMES, data, write_data  # noqa: F401 - a fixture
from tests.evaluation.test_cv import cv as quick
from tests.evaluation.toy_member import TOY
from tests.tomograms.test_odd_inputs import HTML, LFS
from tomograms.errors import run_command

FOLDS = """tiny:
  - {held_out: [TS_1], train: [TS_2, TS_3]}
  - {held_out: [TS_2], train: [TS_1, TS_3]}
"""
HEADER = "id,experiment,particle_type,x,y,z\n"
TABLE = "experiment,particle_type,x,y,z,score"
GIVEN = ["--data", "data", "--fold-file", "folds.yaml", "--members", "toy", "--run", "a", "--device", "cpu"]


FINISHED = {}
"""A finished run, made once."""


@pytest.fixture(scope="module", autouse=True)
def finished(tmp_path_factory):
    """Make a run on the same data as every test's."""
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "MEMBERS", TOY)
        patch.chdir(root)
        write_data(root)
        assert quick() == 0
    FINISHED["runs"] = root / "runs"


def ask(command, *arguments):
    return lambda: command([*map(str, arguments)])


def with_folds(text):
    def work():
        Path("folds.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return cv(GIVEN)

    return work


def with_added(*rows, header=TABLE, arguments=("--add", "other=other.csv")):
    def work():
        shutil.copytree(FINISHED["runs"], "runs")
        Path("other.csv").write_text("\n".join([header, *rows]) + "\n")
        return build(["--run", "a", "--trials", "1", *arguments])

    return work


def with_file(name, command, *arguments, text=""):
    def work():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return command([*arguments])

    return work


def with_link(target, name, command, *arguments):
    def work():
        Path(name).symlink_to(target)
        return command([*arguments])

    return work


ROWS = [f"{name},ribosome,100,100,100,0.5" for name in NAMES]
REFUSED = {
    # folds
    "folds are empty": (with_folds(""), "folds.yaml: expected sections with lists of folds, but got None"),
    "folds are a web page": (with_folds(HTML), "folds.yaml: expected"),
    "folds are a pointer of LFS": (with_folds(LFS), "folds.yaml: "),
    "folds are UTF-16": (with_folds(FOLDS.encode("utf-16")), "folds.yaml: "),
    "folds are binary": (with_folds(bytes(range(256))), "folds.yaml: expected a YAML file of folds"),
    "folds have a key twice": (with_folds(FOLDS + FOLDS), "expected each key once, but tiny occurs twice, in line 4"),
    "folds have tabs": (with_folds(FOLDS.replace("  - ", "\t- ")), "folds.yaml: expected a YAML file of folds"),
    "folds name a number": (with_folds(FOLDS.replace("[TS_1]", "[1]")), "expected names in quotes where YAML reads"),
    "folds name no list": (with_folds(FOLDS.replace("[TS_1]", "TS_1")), "held_out: expected a list of run names"),
    "folds leak": (with_folds(FOLDS.replace("[TS_2, TS_3]", "[TS_1]")), "fold 1 trains on the run that it holds out"),
    "folds hold out twice": (
        with_folds(FOLDS.replace("[TS_2], ", "[TS_1], ").replace("train: [TS_1, TS_3]", "train: [TS_3]")),
        "held out once",
    ),
    "folds name others": (with_folds(FOLDS.replace("TS_3", "TS_9")), "expected runs of the data, but got TS_9"),
    "folds are of other data": (with_folds(FOLDS.replace("TS_", "Z")), "expected a section with runs of the data"),
    "folds are one": (with_folds("\n".join(FOLDS.splitlines()[:2])), "expected a list of at least two folds"),
    "folds have another key": (
        with_folds(FOLDS.replace("train:", "training:")),
        "the keys held_out and train",
    ),
    "folds are a folder": (ask(cv, *GIVEN, "--fold-file", "data"), "data: expected a YAML file of folds"),
    "folds are not there": (ask(cv, *GIVEN, "--fold-file", "nowhere.yaml"), "nowhere.yaml: no such file"),
    "folds file is there already": (ask(folds, "data", "--out", "folds.yaml"), "expected no such file yet"),
    "no group": (ask(folds, "data", "--groups", "0", "--out", "n.yaml"), "--groups: expected 2 to 3 groups"),
    "more groups than runs": (
        ask(folds, "data", "--groups", "9", "--out", "n.yaml"),
        "--groups: expected 2 to 3 groups",
    ),
    # options of a cross-validation
    "seed is negative": (ask(cv, *GIVEN, "--seeds", "-1"), "--seeds: expected distinct numbers from 0"),
    "seed is too large": (ask(cv, *GIVEN, "--seeds", 2**32), "--seeds: expected distinct numbers from 0 to 4294967295"),
    "seed twice": (ask(cv, *GIVEN, "--seeds", 5, 5), "--seeds: expected distinct numbers"),
    "setting has no value": (ask(cv, *GIVEN, "--set", "toy.steps"), "--set"),
    "setting has no member": (ask(cv, *GIVEN, "--set", "steps=3"), "--set"),
    "setting of another member": (ask(cv, *GIVEN, "--set", "unet.steps=3"), "unet"),
    "setting is not known": (ask(cv, *GIVEN, "--set", "toy.stepps=3"), "stepps"),
    "setting is a word": (ask(cv, *GIVEN, "--set", "toy.steps=many"), "toy.steps"),
    "setting is a fraction": (ask(cv, *GIVEN, "--set", "toy.steps=2.5"), "toy.steps"),
    "setting is below its range": (ask(cv, *GIVEN, "--set", "toy.steps=0"), "toy.steps: expected a value above 0"),
    "setting is nan": (ask(cv, *GIVEN, "--set", "toy.sharpness=nan"), "toy.sharpness"),
    "setting is infinite": (ask(cv, *GIVEN, "--set", "toy.sharpness=inf"), "toy.sharpness"),
    "setting has a decimal comma": (ask(cv, *GIVEN, "--set", "toy.sharpness=1,5"), "toy.sharpness"),
    "voxel size is 0": (ask(cv, *GIVEN, "--voxel-size", "0"), "--voxel-size: expected a positive number of Å"),
    "voxel size is nan": (ask(cv, *GIVEN, "--voxel-size", "nan"), "--voxel-size: expected a positive number of Å"),
    "voxel size is far finer": (ask(cv, *GIVEN, "--voxel-size", "1"), "expected a voxel size of at most 4 times 1 Å"),
    "spacing is nan": (ask(cv, *GIVEN, "--voxel-spacing", "nan"), "expected the voxel spacing nan, but got 10.000"),
    "spacing is another": (ask(cv, *GIVEN, "--voxel-spacing", "5"), "expected the voxel spacing 5.000, but got 10.000"),
    "device is none": (ask(cv, *GIVEN, "--device", "gpu"), "gpu"),
    "user is nobody": (ask(cv, *GIVEN, "--user", "nobody"), "expected picks of user nobody"),
    "run is a path": (ask(cv, *GIVEN, "--run", "a/b"), "--run: expected a plain folder name of printable characters"),
    "run is hidden": (ask(cv, *GIVEN, "--run", ".a"), "--run: expected a plain folder name"),
    "run's name is too long": (ask(cv, *GIVEN, "--run", "x" * 300), "xxx"),
    "runs is a file": (ask(cv, *GIVEN, "--runs", "folds.yaml"), "folds.yaml"),
    "data is a text file": (ask(cv, *GIVEN, "--data", "folds.yaml"), "folds.yaml: expected JSON"),
    "data is a dead link": (with_link("gone", "link", cv, *GIVEN, "--data", "link"), "link: no such data"),
    "run record is damaged": (with_file("runs/a/run.json", cv, *GIVEN, text="{"), "run.json: expected JSON"),
    "run record is of something else": (with_file("runs/a/run.json", cv, *GIVEN, text="{}"), "run.json: expected what"),
    "mask is a file": (ask(cv, *GIVEN, "--mask", "folds.yaml"), "--mask: expected a folder with a mask"),
    # candidates of other tools
    "added is not there": (with_added(arguments=("--add", "o=none.csv")), "none.csv: no such file"),
    "added has no name": (with_added(arguments=("--add", "other.csv")), "--add: expected NAME=candidates.csv"),
    "added has a member's name": (with_added(*ROWS, arguments=("--add", "toy=other.csv")), "'toy' is taken"),
    "added has a path as name": (with_added(*ROWS, arguments=("--add", "../o=other.csv")), "a name of letters, digits"),
    "added is empty": (with_added(header=""), "other.csv: expected a CSV file with the columns"),
    "added lacks scores": (
        with_added(header=TABLE[:-6]),
        "other.csv: line 1: expected the columns .* but got no score",
    ),
    "added has nan": (with_added(*ROWS, "TS_1,ribosome,1,1,1,nan"), "line 5: expected a finite number for score"),
    "added lies far outside": (with_added(*ROWS, "TS_1,ribosome,9e5,1,1,1"), "line 5: expected x, y, z in Å within"),
    "added repeats a place": (with_added(*ROWS, ROWS[0]), "line 5: expected each position of a species once"),
    "added knows other species": (with_added(*ROWS, "TS_1,actin,1,1,1,1"), "line 5: expected a particle_type among"),
    "added knows other runs only": (with_added("Z,ribosome,1,1,1,1"), "expected out-of-fold candidates for every"),
    "added has too many fields": (with_added(ROWS[0] + ",1"), "line 2: expected 6 fields"),
    "trials are none": (ask(build, "--trials", "0"), "--trials: expected at least 1, but got 0"),
    "storage is no database": (
        with_added(*ROWS, arguments=("--storage", "nonsense://")),
        "expected the URL of a database",
    ),
    "no run at all": (ask(build), "runs: expected a run, but found none"),
    # submissions and scores
    "budget is a word": (ask(make, "--budget", "soon"), "--budget"),
    "budget is negative": (ask(make, "--budget=-5m"), "--budget"),
    "nothing was built": (ask(make), "expected a run with an ensemble.json, but found none"),
    "submission is empty": (with_file("s.csv", check, "s.csv", "--data", "data"), "s.csv: expected a CSV file"),
    "submission is a web page": (
        with_file("s.csv", check, "s.csv", "--data", "data", text=HTML),
        "s.csv: line 1: expected",
    ),
    "submission is a folder": (
        ask(check, "data", "--data", "data"),
        "data: expected a CSV file",
    ),
    "submission has another header": (
        with_file("s.csv", check, "s.csv", "--data", "data", text="experiment,particle_type,x,y,z\n"),
        "s.csv: line 1: expected the header id,",
    ),
    "submission has an unknown species": (
        with_file("s.csv", check, "s.csv", "--data", "data", text=HEADER + "0,TS_1,a,1,1,1\n"),
        "s.csv: line 2",
    ),
    "solution has nan": (
        with_file("s.csv", metric, "s.csv", "s.csv", text="experiment,particle_type,x,y,z\nA,ribosome,nan,1,1\n"),
        "s.csv: line 2: expected a finite number for x",
    ),
    "pretraining without time": (ask(pretrain, "--minutes", "0", "--out", "p"), "--minutes"),
    "pretraining in a file": (
        with_file("p", pretrain, "--minutes", "1", "--out", "p", "--members", "unet"),
        "p",
    ),
    "runs to compare are not there": (
        ask(runs, "a", "b"),
        "runs/a: expected a run with a run.json, but found none; make one: python -m evaluation.cv",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_odd_request_is_refused_in_one_line(data, name, capsys):  # noqa: F811
    work, rule = REFUSED[name]
    with pytest.raises(SystemExit) as end:
        run_command(lambda _: work())
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert end.value.code == 2 and len(lines) == 1, lines
    assert re.search(rule, lines[0]), lines[0]
