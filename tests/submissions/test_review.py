import json

import copick
import pandas as pd
import pytest

from ensemble.build import main as build
from submissions.review import main
from tests.submissions.conftest import RUN, TRAIN
from tests.submissions.export.test_exports import write_config
from tomograms.dataset import open_dataset
from tomograms.errors import run_command
from tomograms.files import read_json, write_json


def review(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--run", "tiny", *map(str, arguments)])
    return end.value.code


@pytest.fixture
def built(project):
    """Return a project with a whole ensemble.json, whose training data are a copick project."""
    config = write_config(project)
    content = json.loads(config.read_text())
    content["static_root"] = f"local://{project.data}/train/static"
    config.write_text(json.dumps(content))
    root = copick.from_file(str(config))
    for name in TRAIN:
        picks = project.dataset.picks(name)
        for kind, own in picks.groupby("particle_type"):
            root.get_run(name).new_picks(kind, session_id="1", user_id="ann").from_numpy(
                own[["x", "y", "z"]].to_numpy()
            )
    record = read_json(project.root / RUN / "run.json")
    dataset = open_dataset(config)
    record["data"] |= {"root": str(config)}
    record["data_hash"] = dataset.fingerprint(project.run.record.tomograms)
    write_json(project.root / RUN / "run.json", record)
    assert build(["--run", "tiny", "--trials", "1"]) == 0
    return project


def test_a_list_and_copick_picks_in_sessions_of_their_own(built, capsys):
    assert review("--to", "copick") == 0
    listed = pd.read_csv(built.root / RUN / "review.csv")
    assert list(listed) == ["finding", "experiment", "particle_type", "x", "y", "z", "probability", "instead"]
    assert set(listed["finding"]) <= {"missing", "doubtful"}
    printed = capsys.readouterr().out
    assert "ribosome" in printed and "Listed: candidates without a pick." in " ".join(printed.split())
    root = copick.from_file(str(built.root / "copick.json"))
    for finding in ("missing", "doubtful"):
        sets = [own for run in root.runs for own in run.get_picks(user_id="review", session_id=finding)]
        assert sum(len(own.points) for own in sets) == (listed["finding"] == finding).sum()
    assert review("--to", "copick") == 2  # never over what is there
    said = capsys.readouterr().err
    assert "choose another --user, or replace them with --overwrite" in said and "--session" not in said
    assert review("--to", "copick", "--overwrite") == 0


def test_a_run_without_out_of_fold_ensembles_is_refused(project, capsys):
    assert review() == 2
    assert "ensemble.json" in capsys.readouterr().err
