import json
import shlex
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.cv import parser
from evaluation.folds import LONGEST_NAME, Fold, group_folds, load_folds, main, write_folds
from tomograms.errors import InputError, run_command
from tomograms.kaggle_tree import write_run

NAMES = st.lists(st.text("TS_0123456789", min_size=1, max_size=8), min_size=2, max_size=30, unique=True)


@given(runs=NAMES, data=st.data())
@settings(max_examples=60)
def test_each_run_is_held_out_once_and_never_trained_on(runs, data):
    groups = data.draw(st.none() | st.integers(2, len(runs)))
    folds = group_folds(runs, groups)
    assert len(folds) == (groups or len(runs))
    assert sorted(run for fold in folds for run in fold.held_out) == sorted(runs)
    for fold in folds:
        assert sorted(fold.held_out + fold.train) == sorted(runs)
    sizes = [len(fold.held_out) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    assert folds == group_folds(runs[::-1], groups)


def test_neighbours_stay_together():
    assert [fold.held_out for fold in group_folds(["b1", "a2", "b2", "a1"], 2)] == [("a1", "a2"), ("b1", "b2")]


@pytest.mark.parametrize("groups", [0, 1, 4, -1])
def test_impossible_groups(groups):
    with pytest.raises(InputError, match="2 to 3 groups"):
        group_folds(["a", "b", "c"], groups)


def test_names_that_yaml_would_read_as_numbers_survive(tmp_path):
    folds = group_folds(["001", "1e3", "no", "2024-01-01"])
    write_folds(tmp_path / "f.yaml", "data", folds)
    assert load_folds(["001", "1e3", "no", "2024-01-01"], tmp_path / "f.yaml") == folds


def test_a_folds_name_fits_into_a_folder():
    many = tuple(f"tomogram_{i:04d}" for i in range(200))
    name = Fold(many, ("x",)).name
    assert len(name) <= LONGEST_NAME and name != Fold(many[:-1], ("x",)).name
    assert Fold(("TS_1", "TS_2"), ()).name == "TS_1+TS_2"


@pytest.fixture
def data(tmp_path):
    volume = np.random.default_rng(0).normal(size=(4, 4, 4)).astype(np.float32)
    for name in ("A", "B", "C"):
        picks = {} if name == "C" else {"ribosome": np.array([[10.0, 10.0, 10.0]])}
        write_run(tmp_path / "data", "train", name, volume=volume, voxel_size=10.0, picks=picks)
    return tmp_path / "data"


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, [str(a) for a in arguments])
    return end.value.code


def test_the_command_takes_the_annotated_runs(data, tmp_path, capsys):
    out = tmp_path / "folds.yaml"
    assert run(data, "--out", out) == 0
    assert load_folds(["A", "B"], out) == (Fold(("A",), ("B",)), Fold(("B",), ("A",)))
    assert "2 folds of 2 runs" in capsys.readouterr().out
    before = out.read_bytes()
    assert run(data, "--out", out) == 2
    assert str(out) in capsys.readouterr().err and out.read_bytes() == before
    assert run(data, "--out", out, "--overwrite") == 0


def test_wrong_input_is_one_line(data, tmp_path, capsys):
    assert run(tmp_path / "nowhere", "--out", tmp_path / "f.yaml") == 2
    assert run(data, "--groups", 3, "--out", tmp_path / "f.yaml") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "nowhere" in lines[0] and "2 to 2 groups" in lines[1]
    assert not (tmp_path / "f.yaml").exists()


def test_a_run_that_only_a_program_has_picked_in_enters_no_fold(data, tmp_path, capsys):
    picks = data / "train/overlay/ExperimentRuns/B/Picks/ribosome.json"
    content = json.loads(picks.read_text())
    for point in content["points"]:
        point["score"] = 0.25
    picks.write_text(json.dumps(content))
    assert run(data, "--out", tmp_path / "folds.yaml") == 2
    assert "expected at least two annotated runs, but got A" in capsys.readouterr().err
    user = content["user_id"]
    assert run(data, "--out", tmp_path / "folds.yaml", "--user", user) == 0


def test_a_run_that_has_picks_but_no_tomogram_is_left_out(data, tmp_path, capsys):
    shutil.copytree(data / "train/overlay/ExperimentRuns/A", data / "train/overlay/ExperimentRuns/D")
    (data / "train/static/ExperimentRuns/D").mkdir()
    assert run(data, "--out", tmp_path / "folds.yaml") == 0
    assert load_folds(["A", "B"], tmp_path / "folds.yaml") == group_folds(["A", "B"])
    assert "no tomogram of this type: D" in capsys.readouterr().out


def test_the_next_command_can_be_pasted(data, tmp_path, capsys):
    out = tmp_path / "my folds (2).yaml"
    assert run(data, "--out", out, "--session", "0", "--user", "curation") == 0
    hint = capsys.readouterr().out.splitlines()[-1]
    words = shlex.split(hint.removeprefix("next: "))
    assert words[:3] == ["python", "-m", "evaluation.cv"]
    given = parser().parse_args(words[3:])
    assert (given.data, given.fold_file, given.user, given.session) == (data, out, "curation", "0")


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_picks_in_a_doubtful_unit_are_said(tmp_path, capsys, scale):
    rng = np.random.default_rng(0)
    for name in ("A", "B"):
        volume = rng.normal(size=(30, 60, 60)).astype(np.float32)
        picks = {"ribosome": rng.uniform(100, 280, (5, 3)) * scale}
        write_run(tmp_path / "data", "train", name, volume=volume, voxel_size=10.0, picks=picks)
    assert run(tmp_path / "data", "--out", tmp_path / "folds.yaml") == 0
    said = "in A, B: are they in voxels or nanometres, and not in Å?" in capsys.readouterr().out
    assert said == (scale < 1)


def test_picks_of_several_users_are_said(data, tmp_path, capsys):
    picks = data / "train/overlay/ExperimentRuns/B/Picks/ribosome.json"
    picks.rename(picks.with_name("octopi_1_ribosome.json"))
    assert run(data, "--out", tmp_path / "folds.yaml") == 0
    assert "(choose one with --user): curation in A, octopi in B\n" in capsys.readouterr().out
