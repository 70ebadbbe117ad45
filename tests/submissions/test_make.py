import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import mrcfile
import numpy as np
import pandas as pd
import pytest

from ensemble.ensemble import load_ensemble
from evaluation.metric import kaggle_score
from postproc.candidates import concatenate
from submissions.export.submission import SUBMISSION_COLUMNS, clip, read_submission
from submissions.inputs import find_run, names_to_predict, trained_on
from submissions.make import main
from submissions.prediction.budget import Plan
from submissions.prediction.fusion import Fusion, load_fusion, members_in_use, restrict
from submissions.prediction.inference import Inference
from submissions.prediction.store import Store
from tests.submissions.conftest import RUN, SHAPE, TEST, TRAIN
from tests.submissions.fakes import MapsPredictor
from tests.submissions.prediction.test_inference import calls, damage
from tomograms.errors import InputError, run_command
from tomograms.files import read_json, write_json
from tomograms.picks import join_truth

MEMBERS = ("boxes", "maps")


def make(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--runs", "runs", *map(str, arguments)])
    return end.value.code


def submission(project):
    extents = project.dataset.extents(TEST)
    return read_submission(project.root / RUN / "submission.csv", particles=project.run.particles, extents=extents)


def truth(project):
    return join_truth([project.dataset.picks(name) for name in TEST])


def test_the_whole_way(project, capsys):
    assert make("--run", "tiny") == 0
    table = submission(project)
    assert list(table.columns) == SUBMISSION_COLUMNS and table["id"].tolist() == list(range(len(table)))
    assert set(table["experiment"]) == set(TEST)
    assert "beta-amylase" in set(table["particle_type"])
    copied = project.root / "submissions" / "submission.csv"
    assert copied.read_bytes() == (project.root / RUN / "submission.csv").read_bytes()
    score = kaggle_score(truth(project), table, project.run.particles).total
    assert score > 0.8  # the fake members know the truth
    out = capsys.readouterr().out
    assert f"{score:.3f}" in out and "submitted" in out


def test_the_table_is_that_of_the_ensemble_loaded_again(predicted):
    project = predicted
    run, dataset = project.run, project.dataset
    fusion = load_fusion(run, TEST)
    inference = Inference(run, dataset, Store(run.path / "test"), MEMBERS, "cpu")
    fused = concatenate([fusion.fused(inference.predict(name, Plan(MEMBERS))) for name in TEST])
    expected = clip(fusion.ensemble.keep(fused), dataset.extents(TEST))
    assert submission(project).drop(columns="id").equals(expected[SUBMISSION_COLUMNS[1:]])


def test_again_nothing_is_predicted_and_the_file_is_the_same(predicted):
    before = (predicted.root / RUN / "submission.csv").read_bytes()
    assert make() == 0  # the run that was built last
    assert calls() == (0, 0) and (predicted.root / RUN / "submission.csv").read_bytes() == before


def test_a_threshold_replaces_the_cuts_of_one_species(predicted):
    project = predicted
    run = project.run
    before = submission(project)
    assert make("--run", "tiny", "--threshold", "ribosome=0.25") == 0 and calls() == (0, 0)
    after = submission(project)
    other = [table[table["particle_type"] != "ribosome"].drop(columns="id") for table in (before, after)]
    assert other[0].reset_index(drop=True).equals(other[1].reset_index(drop=True))
    fusion = load_fusion(run, TEST)
    inference = Inference(run, project.dataset, Store(run.path / "test"), MEMBERS, "cpu")
    fused = concatenate([fusion.fused(inference.predict(name, Plan(MEMBERS))) for name in TEST])
    ribosomes = fused[fused["particle_type"] == "ribosome"]
    assert (after["particle_type"] == "ribosome").sum() == (ribosomes["score"] >= 0.25).sum()
    assert make("--run", "tiny", "--threshold", *(f"{particle.name}=1" for particle in run.particles)) == 0
    assert submission(project).empty  # nothing is that sure


@pytest.mark.parametrize("text", ["ribosome", "ribosome=", "ribosome=2", "ribosome=nan", "proteasome=0.5", "=0.5"])
def test_a_wrong_threshold_is_one_line(project, capsys, text):
    assert make("--run", "tiny", "--threshold", text) == 2
    assert capsys.readouterr().err.startswith("error: --threshold: expected")
    assert make("--run", "tiny", "--threshold", "ribosome=0.1", "ribosome=0.2") == 2


def test_a_damaged_tomogram_among_several(predicted, capsys):
    project = predicted
    whole = submission(project)
    damage(project, "TS_8")
    assert make("--run", "tiny") == 3
    table = submission(project)
    rows = ["experiment", "particle_type", "x", "y", "z"]
    expected = whole.loc[whole["experiment"] == "TS_9", rows].reset_index(drop=True)
    assert table[rows].equals(expected)
    out = capsys.readouterr().out
    assert "failed: TS_8: " in out and "intact chunk" in out and "failures above of TS_8" in out


def test_nothing_but_damaged_tomograms(project, capsys):
    for name in TEST:
        damage(project, name)
    assert make("--run", "tiny") == 2
    assert "no test tomogram could be predicted" in capsys.readouterr().err
    assert submission(project).empty


def test_a_member_that_fails_everywhere_leaves_the_other(project, monkeypatch, capsys):
    def fail(self, tomogram, *, views=None):
        raise RuntimeError("no memory")

    monkeypatch.setattr(MapsPredictor, "predict", fail)
    assert make("--run", "tiny") == 3
    assert "TS_9: maps: RuntimeError: no memory" in capsys.readouterr().out
    assert kaggle_score(truth(project), submission(project), project.run.particles).total > 0.6


SLOW = """
import sys, time
from models import registry
from submissions.make import main
from tests.submissions import fakes
from tomograms.errors import run_command

registry.MEMBERS = fakes.FAKES
predict = fakes.BoxesPredictor.predict


def wait(self, tomogram, *, views=None):
    if tomogram.name == "TS_9":
        print("second", flush=True)
        sys.stdin.read()
    return predict(self, tomogram)


fakes.BoxesPredictor.predict = wait
run_command(main, ["--run", "tiny"])
"""


def test_killed_during_the_second_tomogram_and_run_again(project, predicted_template):
    root = os.fspath(project.root)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW],
        cwd=root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        for line in process.stdout:
            if line.strip() == "second":
                break
        process.send_signal(signal.SIGKILL)
    assert set(submission(project)["experiment"]) == {"TS_8"}  # valid, and holds what was finished
    assert make("--run", "tiny") == 0
    assert calls() == (2, 2)
    uninterrupted = predicted_template / RUN / "submission.csv"
    assert (project.root / RUN / "submission.csv").read_bytes() == uninterrupted.read_bytes()


def test_tomograms_by_name_and_those_that_trained(predicted, capsys):
    project = predicted
    assert make("--run", "tiny", "--tomograms", "TS_9") == 0
    assert set(submission(project)["experiment"]) == {"TS_9"}
    assert "test truth, 1 tomogram" in capsys.readouterr().out
    assert make("--run", "tiny", "--tomograms", "TS_1") == 0
    out = capsys.readouterr().out
    assert "not scored" in out and "TS_1" in out and "test truth" not in out


def test_a_voxel_size_that_no_header_tells_is_told(project, capsys):
    (project.root / "mrc").mkdir()
    with mrcfile.new(project.root / "mrc/TS_8.mrc") as file:
        file.set_data(np.random.default_rng(0).normal(0, 1e-5, SHAPE).astype(np.float32))
    given = ("--run", "tiny", "--data", project.root / "mrc", "--device", "cpu")
    assert make(*given) == 2
    assert (
        "TS_8.mrc: expected a voxel size above 0 Å, but the header has none; give --voxel-s" in capsys.readouterr().err
    )
    assert make(*given, "--voxel-spacing", 5) == 0
    found = pd.read_csv(project.run.path / "submission.csv")
    assert len(found) and set(found["experiment"]) == {"TS_8"} and found[["x", "y"]].to_numpy().max() < 5 * SHAPE[2]


def test_wrong_input_is_one_line(project, capsys):
    assert make("--run", "nothing") == 2
    assert make("--run", "tiny", "--expect", 0) == 2
    assert make("--run", "tiny", "--tomograms", "TS_77") == 2
    assert make("--run", "tiny", "--data", project.root / "nowhere") == 2
    shutil.copy(project.root / RUN / "ensemble.json", project.root / "kept.json")
    (project.root / RUN / "ensemble.json").write_text("{}")
    assert make("--run", "tiny") == 2
    (project.root / RUN / "ensemble.json").unlink()
    assert make("--run", "tiny") == 2
    assert make() == 2
    shutil.copy(project.root / "kept.json", project.root / RUN / "ensemble.json")
    shutil.rmtree(project.data / "test")
    assert make("--run", "tiny") == 2
    lines = capsys.readouterr().err.splitlines()
    said = ["nothing", "--expect", "TS_77", "nowhere", "ensemble.json", *["ensemble.build"] * 2, "test tomograms"]
    assert len(lines) == len(said)
    for line, word in zip(lines, said, strict=True):
        assert line.startswith("error: ") and word in line


def test_truncated_weights_are_named(project, capsys):
    weights = project.run.jobs("maps")[0] / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:20])
    assert make("--run", "tiny") == 2
    assert str(RUN / "folds") in capsys.readouterr().err


def test_the_run_that_was_built_last(project):
    other = project.root / "runs" / "other"
    shutil.copytree(project.root / RUN, other)
    old = time.time_ns() - 10**12
    os.utime(other / "ensemble.json", ns=(old, old))
    assert find_run(project.root / "runs", None).name == "tiny"
    assert find_run(project.root / "runs", "other").name == "other"


def test_other_species_are_refused(project):
    record = read_json(project.root / RUN / "run.json")
    record["particles"] = record["particles"][:-1]
    write_json(project.root / RUN / "run.json", record)
    assert make("--run", "tiny") == 2


def test_which_tomograms(project):
    assert names_to_predict(project.dataset, project.run) == TEST
    assert names_to_predict(project.dataset, project.run, ["TS_9", "TS_1"]) == ("TS_1", "TS_9")
    assert trained_on(project.run, [*TRAIN, *TEST]) == list(TRAIN)
    with pytest.raises(InputError, match="TS_77"):
        names_to_predict(project.dataset, project.run, ["TS_77"])


def test_a_member_without_weight_is_not_predicted(project):
    ensemble = load_ensemble(project.root / RUN / "ensemble.json")
    assert set(members_in_use(ensemble, project.run)) == set(MEMBERS)
    assert members_in_use(restrict(ensemble, ["maps"]), project.run) == ("maps",)


def test_a_missing_member_is_no_vote_against(project):
    run = project.run
    # Without competition: there, a species that gains takes from the others at its place.
    ensemble = load_ensemble(run.path / "ensemble.json")
    apart = {name: replace(rule, contest=None) for name, rule in ensemble.rules.items()}
    ensemble = replace(ensemble, rules=apart)
    one = run.candidates(["maps"])
    alone, outvoted = restrict(ensemble, ["maps"]).apply(one), ensemble.apply(one)
    place = ["experiment", "particle_type", "z", "y", "x"]
    a, b = (table.sort_values(place, ignore_index=True) for table in (alone, outvoted))
    assert a[place].equals(b[place])
    assert np.all(a["score"] >= b["score"]) and np.any(a["score"] > b["score"])
    assert restrict(ensemble, MEMBERS) is ensemble


def test_a_species_that_only_the_missing_member_voted_on(project):
    ensemble = restrict(load_ensemble(project.root / RUN / "ensemble.json"), ["boxes"])
    rest = restrict(ensemble, ["maps"])
    table = rest.apply(project.run.candidates(["maps"]))
    assert not table.empty and isinstance(table, pd.DataFrame)


def test_candidates_that_cannot_be_fused_lose_one_tomogram(predicted, monkeypatch, capsys):
    fuse = Fusion.fused

    def stumble(self, prediction, **options):
        if prediction.experiment == "TS_8":
            raise ValueError("odd candidates")
        return fuse(self, prediction, **options)

    monkeypatch.setattr(Fusion, "fused", stumble)
    assert make("--run", "tiny") == 3
    assert set(submission(predicted)["experiment"]) == {"TS_9"}
    assert "failed: TS_8: its candidates cannot be fused: odd candidates" in capsys.readouterr().out
