"""Any copick project through the whole cross-validation: its own objects, weights, types, spacings and annotators."""

import json
import shutil
from dataclasses import asdict

import copick
import fsspec
import numpy as np
import pytest

from evaluation.cv import main as cv
from evaluation.folds import load_folds
from evaluation.folds import main as folds
from evaluation.run_directory import open_run
from models import registry
from tests.evaluation.toy_member import TOY
from tests.tomograms.trees import write_config
from tomograms.errors import run_command
from tomograms.particles import Particle

RUNS = ("A", "B", "C", "D")
SHAPE = (16, 30, 30)
OBJECTS = [
    {"name": "spike", "label": 7, "radius": 40.0, "metadata": {"weight": 3}},
    {"name": "capsid", "label": 3, "radius": 50.0, "metadata": {"score_weight": 0.5}},
    {"name": "rare", "label": 9, "radius": 30.0},
    {"name": "membrane", "label": 1, "is_particle": False},
]
ASKED = ("--tomo-type", "wbp", "--user", "ann", "--session", "2")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return the config of four runs with two types, two spacings and two annotators; nobody has picked a ``rare``."""
    monkeypatch.setattr(registry, "MEMBERS", TOY)
    monkeypatch.chdir(tmp_path)
    objects = [{"is_particle": True, "color": [9, 9, 9, 255], **entry} for entry in OBJECTS]
    config = write_config(
        tmp_path / "mine.json", overlay_root=str(tmp_path / "overlay"), static_root=None, pickable_objects=objects
    )
    root = copick.from_file(str(config))
    for seed, name in enumerate(RUNS):
        rng = np.random.default_rng(seed)
        run = root.new_run(name)
        volume = rng.normal(0, 0.3, SHAPE).astype(np.float32)
        centres = {entry["name"]: rng.integers(3, 13, (4, 3)) for entry in OBJECTS[:2]}
        for level, places in enumerate(centres.values(), start=1):
            for z, y, x in places:
                volume[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = -3.0 * level
        for spacing, kinds in ((8.0, ("wbp", "denoised")), (16.0, ("wbp",))):
            for kind in kinds:
                run.new_voxel_spacing(spacing, exist_ok=True).new_tomogram(kind).from_numpy(volume)
        for user, shift in (("ann", 0), ("bob", 1)):
            for species, places in centres.items():
                picks = run.new_picks(species, user_id=user, session_id="2")
                picks.from_numpy((places[:, ::-1] + shift) * 8.0)
        run.new_picks("membrane", user_id="ann", session_id="2").from_numpy(np.ones((2, 3)))
    return config


def ended(command, *arguments):
    with pytest.raises(SystemExit) as end:
        run_command(command, list(map(str, arguments)))
    return end.value.code


def test_two_groups_of_a_project(project, capsys):
    assert ended(folds, project, "--groups", 2, *ASKED) == 0
    assert [fold.held_out for fold in load_folds(RUNS, project.parent / "cv_folds.yaml")] == [("A", "B"), ("C", "D")]
    options = ["--data", project, "--fold-file", "cv_folds.yaml", "--members", "toy", "--run", "mine"]
    assert ended(cv, *options, *ASKED, "--voxel-spacing", 8) == 0
    run = open_run(project.parent / "runs/mine")
    assert run.particles == (
        Particle("capsid", 1, 50.0, 0.5),
        Particle("spike", 2, 40.0, 3.0),
        Particle("rare", 3, 30.0, 1.0),
    )
    wanted = {"user": "ann", "session": "2", "tomogram_type": "wbp", "voxel_spacing": 8.0}
    assert wanted.items() <= asdict(run.record.data).items()
    assert run.truth()["particle_type"].value_counts().to_dict() == {"capsid": 16, "spike": 16}
    report = json.loads((run.path / "cv.json").read_text())["members"]["toy"]
    scores = {name: entry["f_beta"] for name, entry in report["particles"].items()}
    assert scores["rare"] == 0.0  # no truth: F is 0, as in the competition's metric
    assert report["nested"] == pytest.approx((3 * scores["spike"] + 0.5 * scores["capsid"]) / 4.5, abs=1e-12)
    assert report["nested"] > 0.2


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_project_that_lies_elsewhere(project, tmp_path, kind):
    place = "/project" if kind == "memory" else str(tmp_path / "elsewhere")
    files = fsspec.filesystem(kind)
    files.put(f"{tmp_path}/overlay", f"{place}/overlay", recursive=True)
    shutil.rmtree(tmp_path / "overlay")
    content = json.loads(project.read_text())
    project.write_text(json.dumps({**content, "overlay_root": f"{kind}://{place}/overlay", "overlay_fs_args": {}}))
    choice = (*ASKED, "--voxel-spacing", "8")
    try:
        assert ended(folds, project, *choice, "--groups", "2", "--out", tmp_path / "f.yaml") == 0
        given = ("--data", project, *choice, "--fold-file", tmp_path / "f.yaml", "--run", "there", "--members", "toy")
        assert ended(cv, *given, "--device", "cpu") == 0
        assert len(open_run(tmp_path / "runs/there").candidates())
    finally:
        files.rm(place, recursive=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tomo-type", "wbp", "--voxel-spacing", 8], "ann/2, bob/2"),
        (["--tomo-type", "wbp", "--voxel-spacing", 8, "--user", "eve"], "user eve"),
        (["--tomo-type", "isonet", "--voxel-spacing", 8, "--user", "ann"], "there are denoised, wbp"),
        (["--tomo-type", "wbp", "--user", "ann"], "but got 16.000, 8.000"),
        (["--tomo-type", "wbp", "--voxel-spacing", 8, "--user", "ann", "--extra-tomo-types", "isonet"], "isonet"),
    ],
)
def test_an_open_or_a_wrong_choice_is_one_line(project, capsys, arguments, said):
    assert ended(folds, project, *ASKED) == 0
    capsys.readouterr()
    options = ["--data", project, "--fold-file", "cv_folds.yaml", "--members", "toy", "--run", "mine"]
    assert ended(cv, *options, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error
    assert not (project.parent / "runs").exists()
