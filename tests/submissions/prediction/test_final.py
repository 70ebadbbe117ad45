import shutil

import numpy as np
import pytest

from evaluation.metric import kaggle_score
from evaluation.tomogram_types import open_types
from submissions.make import main
from submissions.prediction.final import model_folders, untrained
from tests.submissions.conftest import RUN, SHAPE, TRAIN, VOXEL_SIZE
from tests.submissions.prediction.test_inference import calls
from tests.submissions.test_make import submission, truth
from tomograms.errors import run_command
from tomograms.files import read_json, write_json
from tomograms.kaggle_tree import SPACING
from tomograms.ome_zarr import write_volume


def make(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--run", "tiny", "--final", "all", *map(str, arguments)])
    return end.value.code


def test_where_models_lie(project):
    run = project.run
    assert list(model_folders(run, "maps")) == ["TS_1/maps-8620", "TS_2/maps-8620"]
    assert model_folders(run, "maps", "all") == {"final/maps-8620": run.path / "final" / "maps-8620"}
    assert untrained(run, "maps") == {8620: run.path / "final" / "maps-8620"}


def test_trained_once_on_all_runs_and_used_alone(project, capsys):
    assert make() == 0
    out = capsys.readouterr().out
    assert "no annotated run is left" in out and "final models" in out
    assert calls() == (2, 2)  # one model a member, two tomograms
    assert untrained(project.run, "maps") == {}
    assert '"seed": 2' in (project.run.path / "final" / "maps-8620" / "weights.safetensors").read_text()
    assert kaggle_score(truth(project), submission(project), project.run.particles).total > 0.7
    assert make() == 0 and calls() == (2, 2)
    assert "learnt" not in capsys.readouterr().out


def test_fold_models_and_final_models_do_not_share_what_is_kept(predicted):
    before = (predicted.root / RUN / "submission.csv").read_bytes()
    assert make() == 0
    assert (predicted.root / RUN / "submission.csv").read_bytes() != before
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--run", "tiny"])
    assert end.value.code == 0 and calls() == (2, 2)
    assert (predicted.root / RUN / "submission.csv").read_bytes() == before


def test_changed_training_data_are_refused(project, capsys):
    shutil.rmtree(project.data / "train/overlay/ExperimentRuns/TS_1")
    assert make() == 2
    assert "have changed" in capsys.readouterr().err


def test_final_models_see_every_type_that_the_fold_models_saw(project):
    for number, name in enumerate(TRAIN):
        volume = np.random.default_rng(50 + number).normal(0, 1e-5, SHAPE).astype(np.float32)
        write_volume(project.data / "train/static/ExperimentRuns" / name / SPACING / "wbp.zarr", volume, VOXEL_SIZE)
    path = project.root / RUN / "run.json"
    record = read_json(path) | {"extra_tomogram_types": ["wbp"]}
    record["data_hash"] = open_types(project.dataset, ["wbp"]).fingerprint(runs=TRAIN, train=TRAIN)
    write_json(path, record)
    assert make() == 0
    assert '"seed": 4' in (project.run.path / "final" / "maps-8620" / "weights.safetensors").read_text()
