"""The whole cross-validation command on a tiny data set, with a member that needs no network."""

import json
import re
import shutil

import mrcfile
import numpy as np
import pandas as pd
import pytest

from evaluation.cv import main
from evaluation.run_directory import open_run
from models import registry
from tests.evaluation.toy_member import TOY, ToyMember
from tests.tomograms.trees import set_voxel_size, volume_folder
from tomograms.dataset import open_dataset
from tomograms.errors import InputError
from tomograms.kaggle_tree import write_run
from tomograms.ome_zarr import write_volume
from tomograms.particles import CZII

NAMES = ("TS_1", "TS_2", "TS_3")
SHAPE = (20, 40, 40)
VOXEL_SIZE = 10.0


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "MEMBERS", TOY)
    monkeypatch.setattr(ToyMember, "fits", [])
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    return tmp_path / "data"


def write_data(root):
    for number, name in enumerate(NAMES):
        write_tiny_run(root / "data", name, number)
    folds = "".join(
        f"  - {{held_out: [{name}], train: [{', '.join(n for n in NAMES if n != name)}]}}\n" for name in NAMES
    )
    (root / "folds.yaml").write_text(f"tiny:\n{folds}")


def write_tiny_run(root, name, seed):
    rng = np.random.default_rng(seed)
    volume = rng.normal(0, 0.3, SHAPE)
    picks = {}
    for particle in CZII:
        centres = np.stack([rng.integers(3, n - 3, 3) for n in SHAPE], axis=1)
        for z, y, x in centres:
            volume[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = -2.0 * particle.label
        picks[particle.name] = centres[:, ::-1] * VOXEL_SIZE
    write_run(root, "train", name, volume=volume.astype(np.float32), voxel_size=VOXEL_SIZE, picks=picks)


def cv(*arguments):
    given = ["--data", "data", "--fold-file", "folds.yaml", "--members", "toy", "--run", "a", "--device", "cpu"]
    return main([*given, *arguments])


def test_a_run_leaves_everything_and_prints_the_nested_score_first(data, capsys):
    assert cv() == 0
    out = capsys.readouterr().out
    run = open_run(data.parent / "runs/a")
    assert (run.members, run.seeds, len(run.folds)) == (("toy",), (8620,), 3)
    for job in run.jobs("toy"):
        assert {"weights.safetensors", "history.csv", "candidates.parquet", "seconds.json"} <= {
            path.name for path in job.iterdir()
        }
    assert set(run.candidates()["experiment"]) == set(NAMES)
    assert set(run.candidates()["model"]) == {f"{name}/toy-8620" for name in NAMES}
    record = json.loads((run.path / "cv.json").read_text())["members"]["toy"]
    assert re.search(rf"toy\s+{record['nested']:.4f}", out)
    assert out.index("nested") < out.index("optimum") < out.index("gap") < out.index("precision")
    assert record["nested"] > 0.2  # the toy sees the levels


def test_a_killed_run_resumes_where_it_stood_and_ends_the_same(data, capsys, monkeypatch):
    assert cv("--run", "whole") == 0
    for position in (0, 1, 2):
        name = f"killed{position}"
        monkeypatch.setattr(ToyMember, "dies_at", f"{NAMES[position]}/toy-8620")
        with pytest.raises(KeyboardInterrupt):
            cv("--run", name)
        monkeypatch.setattr(ToyMember, "dies_at", None)
        ToyMember.fits.clear()
        assert main(["--run", name, "--device", "cpu"]) == 0  # everything else is taken from the run
        assert ToyMember.fits == [f"{name}/toy-8620" for name in NAMES[position:]]
        assert (data.parent / f"runs/{name}/cv.json").read_bytes() == (data.parent / "runs/whole/cv.json").read_bytes()


def test_a_finished_run_is_only_reported(data, capsys):
    cv()
    first = capsys.readouterr().out
    ToyMember.fits.clear()
    cv()
    assert ToyMember.fits == []
    tables = [text[text.index("Weighted F4") :] for text in (first, capsys.readouterr().out)]
    assert tables[0] == tables[1]


def test_two_seeds_are_two_results(data, capsys):
    cv("--seeds", "1", "2")
    members = json.loads((data.parent / "runs/a/cv.json").read_text())["members"]
    assert list(members) == ["toy, seed 1", "toy, seed 2"]


def test_only_some_folds(data):
    cv("--folds", "TS_1", "TS_3")
    assert [fold.name for fold in open_run(data.parent / "runs/a").folds] == ["TS_1", "TS_3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "toy.sharpness=2"], r"toy\.sharpness = 4\.0, but is now asked for with 2\.0"),
        (["--preset", "short"], r"toy\.steps = 2, but is now asked for with 3"),
        (["--seeds", "7"], r"seeds = \(8620,\)"),
        (["--folds", "TS_1", "TS_2"], "folds = "),
    ],
)
def test_resuming_with_other_settings_is_refused(data, arguments, message):
    cv()
    with pytest.raises(InputError, match=rf"run\.json: the run was begun with {message}"):
        cv(*arguments)


def test_resuming_with_other_data_is_refused(data):
    cv()
    picks = data / "train/overlay/ExperimentRuns/TS_2/Picks/ribosome.json"
    content = json.loads(picks.read_text())
    content["points"][0]["location"]["x"] += 10
    picks.write_text(json.dumps(content))
    with pytest.raises(InputError, match="begun with data_hash"):
        cv()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--members", "toy", "toy"], "expected distinct names"),
        (["--members", "resnet"], "expected some of toy, but got 'resnet'"),
        (["--run", "../a"], "expected a plain folder name"),
        (["--data", "nowhere"], "nowhere: no such data"),
        (["--seeds", "1", "1"], "expected distinct numbers"),
        (["--seeds", "4294967296"], "expected distinct numbers from 0 to 4294967295, but got 4294967296"),
        (["--seeds", "-1"], "expected distinct numbers from 0"),
        (["--voxel-size", "0"], "--voxel-size: expected a positive number of Å, but got 0"),
        (["--folds", "TS_9"], "expected runs that a fold holds out, but got TS_9"),
        (["--folds", "TS_2"], "expected two folds, one to fit thresholds on and one to score, but got TS_2"),
        (["--set", "unet.steps=3"], "expected a setting of toy"),
        (["--fold-file", "nothing.yaml"], r"nothing\.yaml"),
    ],
)
def test_faulty_arguments_are_refused(data, arguments, message):
    with pytest.raises(InputError, match=message):
        cv(*arguments)


def test_a_fold_that_leaks_is_refused(data):
    (data.parent / "folds.yaml").write_text(
        "tiny:\n  - {held_out: [TS_1], train: [TS_1, TS_2]}\n  - {held_out: [TS_2], train: [TS_1]}\n"
    )
    with pytest.raises(InputError, match="TS_1"):
        cv()


def test_a_run_of_the_fold_file_that_is_not_in_the_data_is_refused(data):
    (data.parent / "folds.yaml").write_text(
        "tiny:\n  - {held_out: [TS_1], train: [TS_2]}\n  - {held_out: [TS_8], train: [TS_1]}\n"
    )
    with pytest.raises(InputError, match="TS_8"):
        cv()


def test_init_is_a_setting_of_every_member(data):
    with pytest.raises(InputError, match=r"expected a setting of toy .*, but got 'init'"):
        cv("--init", "scratch")


def test_the_same_data_elsewhere_go_on(data, capsys):
    """What identifies the data is their fingerprint: a run is copied to another machine and resumed there."""
    assert cv() == 0
    elsewhere = data.rename(data.parent / "elsewhere")
    ToyMember.fits.clear()
    assert cv("--data", "elsewhere") == 0 and ToyMember.fits == []
    run = open_run(data.parent / "runs/a")
    assert run.record.data.root == str(elsewhere)  # and is found there from now on
    assert main(["--run", "a", "--device", "cpu"]) == 0


def test_a_run_of_an_older_version_goes_on_and_says_so(data, capsys):
    assert cv() == 0
    path = data.parent / "runs/a/run.json"
    record = json.loads(path.read_text())
    record["versions"]["torch"] = "2.0.0"
    record["commit"] = "0" * 40
    path.write_text(json.dumps(record))
    capsys.readouterr()
    assert cv() == 0
    out = capsys.readouterr().out
    assert "begun with other versions" in out and "torch 2.0.0 -> " in out and "commit 000" in out


def test_a_run_json_of_the_first_release_is_read(data):
    """Its keys as they stood then; what came later has defaults."""
    assert cv() == 0
    path = data.parent / "runs/a/run.json"
    record = json.loads(path.read_text())
    first = {"commit", "data", "data_hash", "folds", "members", "overrides", "particles", "preset", "seeds", "versions"}
    path.write_text(json.dumps({key: record[key] for key in first}))
    run = open_run(path.parent).record
    assert (run.extra_tomogram_types, run.simulated, run.voxel_size) == ((), False, None)
    assert cv() == 0


def test_a_damaged_run_json_is_one_line(data):
    assert cv() == 0
    path = data.parent / "runs/a/run.json"
    path.write_text(json.dumps({"data": 3}))
    with pytest.raises(InputError, match=r"run\.json: expected what evaluation\.cv writes"):
        open_run(path.parent)


def respace(data, name, size):
    folder = data / "train/static/ExperimentRuns" / name
    shutil.move(folder / "VoxelSpacing10.000", folder / f"VoxelSpacing{size:.3f}")
    set_voxel_size(folder / f"VoxelSpacing{size:.3f}" / "denoised.zarr", size)


def test_tomograms_of_two_voxel_sizes_need_to_be_told_one(data, capsys):
    respace(data, "TS_3", 9.0)
    with pytest.raises(InputError, match=r"one voxel size, but TS_1 has 10 Å and TS_3 9 Å; --voxel-size brings"):
        cv()
    assert cv("--voxel-size", "10") == 0
    assert "voxel size 9 Å is brought to that of the run, 10 Å: TS_3\n" in capsys.readouterr().out
    run = open_run(data.parent / "runs/a")
    assert run.record.voxel_size == run.record.data.working_voxel_size == 10.0
    assert cv() == 0  # goes on as it was begun
    with pytest.raises(InputError, match=r"begun with data"):
        cv("--voxel-size", "12")


def test_what_each_tomogram_looks_like_is_kept(data):
    cv()
    looks = open_run(data.parent / "runs/a").record.appearances
    assert set(looks) == set(NAMES)
    assert all(look.thickness == SHAPE[0] * VOXEL_SIZE for look in looks.values())


def test_a_damaged_tomogram_is_known_before_the_first_training(data):
    chunk = next((data / "train/static/ExperimentRuns/TS_3").rglob("0/0/0/0"))
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(InputError, match="TS_3"):
        cv()
    assert not ToyMember.fits


def test_weights_that_are_none_are_known_before_the_first_training(data, monkeypatch):
    pointer = data.parent / "yolo11m.pt"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    monkeypatch.setattr(ToyMember, "initial", lambda self, settings: pointer)
    with pytest.raises(InputError, match=r"yolo11m.pt: expected weights, but got a pointer of Git LFS"):
        cv()
    assert not ToyMember.fits


def test_a_hint_names_the_folder_of_runs_and_quotes(data, capsys):
    assert cv("--runs", "my runs", "--run", "a (2)") == 0
    assert capsys.readouterr().out.splitlines()[-1] == ("next: python -m ensemble.build --run 'a (2)' --runs 'my runs'")


def test_a_program_s_picks_are_passed_over_and_said(data, capsys):
    picks = data / "train/overlay/ExperimentRuns/TS_2/Picks"
    for name in ("ribosome", "thyroglobulin"):
        content = json.loads((picks / f"{name}.json").read_text())
        for point in content["points"]:
            point["score"] = 0.3
        (picks / f"finder_1_{name}.json").write_text(json.dumps({**content, "user_id": "finder", "session_id": "1"}))
    assert cv() == 0
    assert "passed over (user/session): finder/1 in TS_2\n" in capsys.readouterr().out


def test_a_fold_whose_training_runs_have_no_picks_is_refused(data):
    for name in ("TS_1", "TS_2"):
        for file in (data / "train/overlay/ExperimentRuns" / name / "Picks").iterdir():
            content = json.loads(file.read_text())
            file.write_text(json.dumps({**content, "points": []}))
    with pytest.raises(InputError, match="expected picks in a run that trains while TS_3 is held out, but TS_1, TS_2"):
        cv()
    assert not ToyMember.fits


def test_picks_that_lie_elsewhere_are_found_again_and_may_move(data, capsys):
    tree = open_dataset(data)
    folder = data.parent / "volumes"
    folder.mkdir()
    for name in NAMES:
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data(tree.source.volume(name).read())
            file.voxel_size = VOXEL_SIZE
    table = pd.concat([tree.picks(name) for name in NAMES])
    table.to_csv(data.parent / "mine.csv", index=False)
    assert cv() == 0 and cv("--data", "volumes", "--picks", "mine.csv", "--run", "b") == 0
    runs = [open_run(data.parent / "runs" / name) for name in "ab"]
    assert runs[0].candidates().equals(runs[1].candidates())
    assert main(["--run", "b", "--device", "cpu"]) == 0
    (data.parent / "mine.csv").rename(data.parent / "moved.csv")
    with pytest.raises(InputError, match=r"--picks: expected .* but .*mine.csv is nothing"):
        main(["--run", "b", "--device", "cpu"])
    assert main(["--run", "b", "--device", "cpu", "--picks", "moved.csv"]) == 0
    table.iloc[1:].to_csv(data.parent / "moved.csv", index=False)
    with pytest.raises(InputError, match="begun with data_hash"):
        main(["--run", "b", "--device", "cpu", "--picks", "moved.csv"])


def test_without_annotated_runs_it_says_what_makes_them_so(data):
    folder = data.parent / "volumes"
    folder.mkdir()
    for name in NAMES:
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data(np.zeros(SHAPE, np.float32))
            file.voxel_size = VOXEL_SIZE
    with pytest.raises(InputError, match=r"volumes: expected annotated runs, but found none \(.* --picks\)$"):
        cv("--data", "volumes")
    rows = "".join(f"{name},ribosome,50,50,50\n" for name in NAMES)
    (folder / "picks.csv").write_text(f"experiment,particle_type,x,y,z\n{rows}")
    with pytest.raises(InputError, match="--voxel-spacing: expected a voxel size above 0 Å, but got 0"):
        cv("--data", "volumes", "--voxel-spacing", "0")


def test_inverted_contrast_is_said_before_the_first_training(data, capsys):
    cv()
    assert "contrast" not in capsys.readouterr().out
    folder = volume_folder(data, NAMES[1])
    volume = open_dataset(data).source.volume(NAMES[1]).read()
    shutil.rmtree(folder)
    write_volume(folder, -volume, VOXEL_SIZE)
    cv("--run", "b")
    said = [line for line in capsys.readouterr().out.splitlines() if "contrast" in line]
    assert len(said) == 1 and f", in {NAMES[1]}: +" in said[0] and said[0].endswith(", and not in the other 2")


@pytest.mark.parametrize("name", ["a\nb", "d\udce9", ".a", "a/b"])
def test_a_run_s_name_is_a_plain_one(data, name):
    with pytest.raises(InputError, match="--run: expected a plain folder name of printable characters"):
        cv("--run", name)
    assert not ToyMember.fits
