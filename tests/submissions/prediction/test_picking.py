"""Picks without training, from weights that were calibrated here: fake members in the shipped ones' place."""

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensemble.abundance import Abundance
from submissions.calibrate import main as calibrate
from submissions.pick import main as pick
from submissions.pick import parser as pick_parser
from submissions.prediction import calibrating
from submissions.prediction.fusion import load_fusion
from submissions.prediction.inference import Prediction
from submissions.prediction.shipped import Weights, shipped_run
from submissions.prediction.store import Store
from tests.submissions.conftest import TEST, TRAIN, copy_project
from tests.submissions.fakes import BoxesPredictor, MapsPredictor, write_fake_weights
from tomograms.errors import InputError
from tomograms.files import read_json, write_json
from tomograms.kaggle_tree import SIMULATED
from tomograms.particles import CZII

WEIGHTS = Path("weights")
SPECIES = [particle.name for particle in CZII]


@pytest.fixture(scope="module")
def calibrated(template, tmp_path_factory):
    """Return a project with a folder of weights that were calibrated on its four tomograms, to be copied."""
    root = tmp_path_factory.mktemp("calibrated")
    with pytest.MonkeyPatch.context() as patch:
        project = copy_project(template, root, patch)
        write_json(project.data / SIMULATED, {})
        for seed, member in enumerate(("boxes", "maps")):
            truth = project.root / "runs/tiny/everything.csv"
            write_fake_weights(WEIGHTS / member, truth_file=truth, particles=CZII, member=member, seed=seed)
        calibrate_again(project, patch)
    return root


@pytest.fixture
def project(calibrated, tmp_path, monkeypatch):
    return copy_project(calibrated, tmp_path, monkeypatch)


def calibrate_again(project, patch):
    found = Weights(WEIGHTS, {"boxes": {}, "maps": {}}, CZII)
    patch.setattr(calibrating, "GROUPS", 2)
    patch.setattr(calibrating, "find_weights", lambda path, wanted: found)  # the fakes' files have no card
    calibrate(["--weights", str(WEIGHTS), "--data", str(project.data), "--device", "cpu"])


def run_pick(project, *arguments, data=None):
    words = [str(data or project.data), "--weights", str(WEIGHTS), "--device", "cpu", "--pictures", "1"]
    return pick([*words, *map(str, arguments)])


def test_calibrated_weights_are_a_run_that_names_no_place(project):
    run = shipped_run(WEIGHTS)
    assert run.members == ("boxes", "maps") and run.record.tomograms == (*TRAIN, *TEST)
    assert set(run.record.appearances) == {*TRAIN, *TEST}
    record = read_json(WEIGHTS / "ensemble.json")
    assert {row["particle_type"] for row in record["held_out"]} == set(SPECIES)
    assert sum(row["true"] for row in record["held_out"]) == 4 * 3 * len(SPECIES)  # three of each in a tomogram
    assert str(project.root) not in (WEIGHTS / "run.json").read_text() + (WEIGHTS / "ensemble.json").read_text()


def test_scores_heed_how_frequent_a_species_is(project):
    everything = ["--threshold", *(f"{name}=0" for name in SPECIES)]
    run_pick(project, *everything)
    scores = pd.read_csv(project.root / "picks/picks.csv")["score"]
    record = read_json(WEIGHTS / "ensemble.json")
    abundance = {"own": 1.0, "exponent": 2.0, "constant": dict.fromkeys(SPECIES, 0.5)}
    assert set(record["abundance"]) == set(abundance) and set(record["abundance"]["constant"]) == set(SPECIES)
    write_json(WEIGHTS / "ensemble.json", {**record, "abundance": abundance})
    run_pick(project, *everything)
    others = pd.read_csv(project.root / "picks/picks.csv")["score"]
    assert len(others) == len(scores) and (others - scores).abs().max() > 0.1
    fusion = load_fusion(shipped_run(WEIGHTS), TRAIN)
    stored = {member: Store(project.root / "picks/candidates").latest(TRAIN[0], member) for member in ("boxes", "maps")}
    fused = fusion.fused(Prediction(TRAIN[0], stored))
    pd.testing.assert_frame_equal(
        fused, Abundance(**abundance)(fusion.ensemble.apply(Prediction(TRAIN[0], stored).candidates))
    )


def test_calibrating_again_predicts_nothing_again_and_gives_the_same(project, monkeypatch):
    before = (WEIGHTS / "ensemble.json").read_bytes()
    calibrate_again(project, monkeypatch)
    assert MapsPredictor.calls == BoxesPredictor.calls == 0
    assert (WEIGHTS / "ensemble.json").read_bytes() == before


def test_other_weights_than_those_that_were_calibrated_are_refused(project):
    content = read_json(WEIGHTS / "maps" / "weights.safetensors")
    write_json(WEIGHTS / "maps" / "weights.safetensors", {**content, "seed": 9})
    with pytest.raises(InputError, match=r"weights of maps that it was calibrated on.*submissions.calibrate"):
        shipped_run(WEIGHTS)
    (WEIGHTS / "ensemble.json").unlink()
    with pytest.raises(InputError, match=r"ensemble.json: no such file; python -m submissions.calibrate"):
        shipped_run(WEIGHTS)
    with pytest.raises(InputError, match="wieghts: no such folder of weights"):
        shipped_run(Path("wieghts"))


def test_picks_of_every_tomogram_are_written_in_all_formats(project, capsys):
    assert run_pick(project, "--out", "picks") == 0
    table = pd.read_csv(project.root / "picks/picks.csv")
    assert set(table["experiment"]) == {*TRAIN, *TEST}
    assert table["score"].between(0.5, 1).all()
    assert set(table["run"]) == {"weights, calibrated on simulated tomograms"}
    truth = pd.concat([project.dataset.picks(name) for name in (*TRAIN, *TEST)])
    near = 0
    for row in table.itertuples():
        own = truth[(truth["experiment"] == row.experiment) & (truth["particle_type"] == row.particle_type)]
        near += np.linalg.norm(own[["x", "y", "z"]] - [row.x, row.y, row.z], axis=1).min() < 30
    assert near > 0.9 * len(table) > 0.8 * len(truth)  # the fakes see most of what is there, and little else
    assert sorted(p.stem for p in (project.root / "picks").glob("*.star")) == sorted(SPECIES)
    assert len(list((project.root / "picks/pictures").glob("*.png"))) == 1
    said = capsys.readouterr().out
    assert "calibrated on simulated tomograms" in said and "from probability 0.5 on" in said
    assert "--threshold SPECIES=P gives more or fewer" in said


def test_a_second_time_nothing_is_predicted_again(project):
    run_pick(project)
    calls = MapsPredictor.calls
    assert calls == 4
    before = (project.root / "picks/picks.csv").read_bytes()
    run_pick(project)
    assert MapsPredictor.calls == calls and (project.root / "picks/picks.csv").read_bytes() == before


def test_shards_give_what_one_process_gives(project):
    asked = ["--species", "ribosome", "thyroglobulin", "--to", "csv", "star", "relion5"]
    assert run_pick(project, "--out", "whole", *asked) == 0
    calls = MapsPredictor.calls
    assert run_pick(project, "--out", "shards", *asked, "--on", "debug", "--jobs", "3") == 0
    assert MapsPredictor.calls == 2 * calls
    files = {path.relative_to(project.root / "whole") for path in (project.root / "whole").rglob("*.[cs][st][va]*")}
    assert len(files) >= 4 + 2 * (2 + len((*TRAIN, *TEST)))
    for file in files:
        here = (project.root / "whole" / file).read_text().replace("/whole/", "/shards/")
        assert without_time(here) == without_time((project.root / "shards" / file).read_text()), file
    assert not list((project.root / "shards/jobs").rglob("report*"))
    with pytest.raises(InputError, match="--jobs: expected together with --on"):
        run_pick(project, "--jobs", "3")


def without_time(text):
    """Return a file without the line in which the starfile package says when."""
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_for_f4_reports_no_less_and_what_is_less_likely(project):
    run_pick(project)
    sure = pd.read_csv(project.root / "picks/picks.csv")
    run_pick(project, "--for-f4", "--out", "f4")
    more = pd.read_csv(project.root / "f4/picks.csv")
    assert len(more) > len(sure) and more["score"].min() < 0.5


def test_only_the_species_that_are_asked_for_are_reported(project):
    run_pick(project, "--species", "ribosome", "--tomograms", "TS_9")
    table = pd.read_csv(project.root / "picks/picks.csv")
    assert set(table["particle_type"]) == {"ribosome"} and set(table["experiment"]) == {"TS_9"}
    assert [p.stem for p in (project.root / "picks").glob("*.star")] == ["ribosome"]
    with pytest.raises(InputError, match="--species: expected species that the shipped weights know"):
        run_pick(project, "--species", "ribosome", "proteasome")
    with pytest.raises(InputError, match=r"--tomograms: expected tomograms of .* \(TS_.*TS_9\), but got TS_77"):
        run_pick(project, "--tomograms", "TS_77")


def config(project, *names):
    """Write a copick config of these species over the project's data."""
    path = project.root / "project.json"
    objects = [{"name": name, "is_particle": True, "label": i + 1, "radius": 100} for i, name in enumerate(names)]
    roots = {f"{kind}_root": f"local://{project.data}/train/{kind}" for kind in ("static", "overlay")}
    other = {"config_type": "filesystem", "name": "p", "version": "1.0.0", "pickable_objects": objects}
    write_json(path, {**other, **roots, "overlay_root": f"local://{project.root}/overlay"})
    return path


def test_the_report_shows_what_was_picked(calibrated, tmp_path, monkeypatch):
    project = copy_project(calibrated, tmp_path, monkeypatch, reports=True)
    assert run_pick(project, "--species", "ribosome", "thyroglobulin", "--threshold", "ribosome=0.2") == 0
    told = read_json(project.root / "picks/report.json")
    submission = pd.read_csv(project.root / "picks/submission.csv")
    picks = submission["particle_type"].value_counts()
    for row in told["species"]:
        assert row["new"]["picks"] == picks.get(row["name"], 0)
    assert {row["name"]: row["picks"] for row in told["tomograms"]} == submission["experiment"].value_counts().to_dict()
    assert told["agreement"] is None and "nested" not in told["verdict"] and told["simulated"]
    assert told["operating"]["given"] == {"ribosome": 0.2, "thyroglobulin": 0.5}
    (command,) = told["origin"]["commands"]
    words = shlex.split(command.replace("python -m submissions.pick", ""))
    again = pick_parser().parse_args([*words, "--threshold", "ribosome=0.2"])
    assert (str(again.data), again.species) == (str(project.data), ["ribosome", "thyroglobulin"])
    page = (project.root / "picks/report.html").read_text(encoding="utf-8")
    assert "<h1>Picks without training</h1>" in page and "<th>trainings</th>" not in page
    assert "--threshold ribosome=0.2 thyroglobulin=0.5</pre>" in page and page.count("data:image/jpeg") > 8


def test_a_copick_project_gets_picks_of_the_species_that_it_shares_with_the_weights(project, capsys):
    path = config(project, "proteasome", "ribosome")
    assert run_pick(project, data=path) == 0
    assert "not picked, because the shipped weights do not know them: proteasome" in capsys.readouterr().out
    files = sorted(p.name for p in project.root.glob("overlay/ExperimentRuns/*/Picks/*.json"))
    assert files == ["cryoet-picks_1_ribosome.json"] * len(TRAIN)
    with pytest.raises(InputError, match="--overwrite"):  # known before anything is predicted
        run_pick(project, data=path)
    assert run_pick(project, "--overwrite", data=path) == 0


def test_a_project_of_unknown_species_is_told_what_can_be_picked(project):
    with pytest.raises(InputError, match=r"know \(apo-ferritin, .*but got proteasome; for others, train on your own"):
        run_pick(project, data=config(project, "proteasome"))
