"""``python -m ensemble.build`` on a made-up run: what it writes replays, what it prints is plain."""

import contextlib
import io
import math
import shutil
from pathlib import Path

import optuna
import pandas as pd
import pytest

from ensemble.build import main
from ensemble.clustering import average_models
from ensemble.ensemble import load_ensemble
from ensemble.records import check_replay, gather, replay
from ensemble.report import known
from ensemble.studies import opened, store
from evaluation.counts import count, pool, score
from evaluation.run_directory import open_run
from postproc.candidates import typed, write_candidates
from tests.ensemble.conftest import TWO, write_run
from tests.ensemble.synthetic import PAIR, Quality, make_data
from tomograms.errors import InputError
from tomograms.files import read_json

QUICK = ["--trials", "5"]


def build(run, *arguments):
    assert main(["--runs", str(run.path.parent), "--run", run.name, *QUICK, *arguments]) == 0
    return read_json(run.path / "ensemble.json")


@pytest.fixture(scope="module")
def built(tmp_path_factory, data):
    """One built run, its record and what was printed; tests that change files work on `copied`."""
    run = write_run(tmp_path_factory.mktemp("runs") / "made-up", TWO, *data)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        record = build(run)
    return run, record, printed.getvalue()


@pytest.fixture
def copied(built, tmp_path):
    return open_run(Path(shutil.copytree(built[0].path, tmp_path / "made-up")))


def test_file_replays_both_scores_to_the_last_digit(built):
    run, record, _ = built
    scores = record["scores"]["ensemble"]
    assert replay(run, record) == (scores["optimum"], scores["nested"])
    kept = load_ensemble(run.path / "ensemble.json").predict(gather(run, []))
    assert score(pool(count(run.truth(), kept, PAIR)), PAIR).total == scores["optimum"]


def test_file_holds_what_was_fitted_and_to_what(built):
    run, record, _ = built
    assert record["ensemble"]["members"] == ["unet", "yolo"]
    rule = record["ensemble"]["rules"]["hard"]
    assert {"weights", "radius_fraction", "variance", "calibration", "fused_calibration", "cut"} <= set(rule)
    assert rule["contest"]["own"] > 0 and rule["contest"]["rivals"] >= 0
    assert [fold["held_out"] for fold in record["folds"]] == [[name] for name in run.record.held_out]
    assert set(record["scores"]) == {
        *("unet", "yolo", "equal weights", "no competition", "mean probability", "suppression", "rank average"),
        "ensemble",
    }
    interval = record["minus_best_member"]["ensemble"]
    nested = {name: result["nested"] for name, result in record["scores"].items()}
    assert interval["estimate"] == nested["ensemble"] - nested[record["best_member"]]
    assert interval["resamplings"] == 1716
    assert len(record["files"]) == 1 + 7 * 2 and all(len(digest) == 64 for digest in record["files"].values())
    assert record["tuning"] == {"trials": 5, "seed": 8620} and record["versions"]["optuna"] == optuna.__version__


def test_report_says_what_it_is(built):
    run, record, text = built
    assert text.count("(simulated data)") == 3
    for name in (*record["scores"], "cut", "theory", "radius", "w unet", "nested", "optimum", "gap"):
        assert name in text
    assert "The ensemble beats its best member, unet, by" in text and "1716 resamplings" in text
    assert "Where the members' sure hits lie" in text and "No member has a constant offset." in text
    assert f"next: python -m submissions.make --run {run.name}" in text


def test_studies_are_stored_for_the_dashboard(built):
    run, _, _ = built
    with opened(f"sqlite:///{run.path / 'optuna.db'}") as database:
        summaries = optuna.get_all_study_summaries(database)
    assert sorted(s.study_name for s in summaries) == [
        "made-up/easy",
        "made-up/easy/cut",
        "made-up/hard",
        "made-up/hard/cut",
    ]
    assert all(optuna.load_study(study_name=s.study_name, storage=database).best_value > 0 for s in summaries)


def test_same_seed_builds_the_same_file(built, copied):
    assert build(copied) == built[1]


def test_changed_candidates_are_noticed(copied):
    job = copied.jobs("yolo")[0] / "candidates.parquet"
    write_candidates(job, pd.read_parquet(job).iloc[1:])
    with pytest.raises(InputError, match=r"candidates\.parquet: expected the file"):
        replay(copied, read_json(copied.path / "ensemble.json"))


def test_another_score_is_noticed(copied):
    record = read_json(copied.path / "ensemble.json")
    record["scores"]["ensemble"]["nested"] += 1e-15
    with pytest.raises(RuntimeError, match="expected"):
        check_replay(copied, record)


def test_one_member_only(tmp_path, data, capsys):
    truth, candidates = data
    run = write_run(tmp_path / "solo", ["unet"], truth, candidates)
    assert main(["--runs", str(tmp_path), *QUICK]) == 0  # the only run, so the most recent one
    assert set(read_json(run.path / "ensemble.json")["scores"]) == {"unet", "ensemble"}
    printed = capsys.readouterr().out
    assert "run solo: unet" in printed and "One member only" in printed


def test_some_of_a_runs_members_are_fused_and_the_others_are_nowhere(copied):
    record = build(copied, "--members", "unet")
    assert record["ensemble"]["members"] == ["unet"] and "yolo" not in record["scores"]
    alone = {name: record["scores"][name]["nested"] for name in ("unet", "ensemble")}
    assert 0 < alone["unet"] == pytest.approx(alone["ensemble"], abs=0.1)
    assert replay(copied, record) == tuple(record["scores"]["ensemble"][name] for name in ("optimum", "nested"))
    with pytest.raises(InputError, match="--members: expected some of unet, yolo, but got 'resnet'"):
        build(copied, "--members", "unet", "resnet")


def test_seeds_are_averaged_so_that_a_member_counts_once(tmp_path, data):
    truth, candidates = data
    one, two = (write_run(tmp_path / str(len(seeds)), TWO, truth, candidates, seeds=seeds) for seeds in ((0,), (0, 1)))
    twice = gather(two, [])
    pd.testing.assert_frame_equal(twice, gather(one, []), check_exact=False, rtol=1e-12)
    assert set(twice["model"]) == {"mean"}


def test_another_tools_candidates_become_a_member(tmp_path, capsys):
    truth, rows = make_data({**TWO, "tool": Quality({"easy": 3.5, "hard": 2.4})}, seed=5)
    run = write_run(tmp_path / "three", TWO, truth, rows)
    tool = rows[rows["member"] == "tool"]
    tool = tool.assign(score=40 * tool["score"] - 10)  # any scale
    extra = tool.head(3).assign(experiment="test_1")
    pd.concat([tool, extra]).to_csv(tmp_path / "tool.csv", index=False)
    record = build(run, "--add", f"tool={tmp_path / 'tool.csv'}")
    assert record["added"] == ["tool"] and record["ensemble"]["members"] == ["tool", "unet", "yolo"]
    assert "added/tool.parquet" in record["files"]
    assert record["scores"]["ensemble"]["nested"] > max(record["scores"][m]["nested"] for m in ("tool", "unet", "yolo"))
    scores = record["scores"]["ensemble"]
    assert replay(run, record) == (scores["optimum"], scores["nested"])
    assert "w tool" in capsys.readouterr().out


def test_storage_may_be_any_url(run, tmp_path):
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    assert store({}, run, url) == url
    assert (tmp_path / "elsewhere.db").exists() and not (run.path / "optuna.db").exists()
    with pytest.raises(InputError, match="--storage: expected the URL"):
        store({}, run, "nonsense")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trials", "0"], "--trials: expected at least 1"),
        (["--seed", "-1"], "--seed: expected a number from 0"),
        (["--add", "tool"], "--add: expected NAME=candidates.csv"),
        (["--run", "nowhere"], "expected a run with a run.json, but found none; runs there: "),
    ],
)
def test_mistakes_are_one_line(run, arguments, message):
    with pytest.raises(InputError) as error:
        main(["--runs", str(run.path.parent), "--run", run.name, *QUICK, *arguments])
    assert message in str(error.value)


def test_unfinished_cross_validation_is_named(run):
    (run.jobs("yolo")[3] / "candidates.parquet").unlink()
    with pytest.raises(InputError, match="has not finished"):
        main(["--runs", str(run.path.parent), "--run", run.name, *QUICK])


def test_no_run_at_all(tmp_path):
    with pytest.raises(InputError, match="expected a run, but found none"):
        main(["--runs", str(tmp_path)])


def test_averaging_models_of_one_seed_leaves_candidates_alone(run):
    own = run.candidates()
    pd.testing.assert_frame_equal(average_models(own, PAIR, 1), typed(own.assign(model="mean")))


@pytest.mark.parametrize(("value", "told"), [(1.25, "1.2"), (math.nan, "–"), (math.inf, "–")])
def test_what_no_hit_tells_is_a_dash(value, told):
    """A species without sure hits has no error, a single hit no standard error."""
    assert known(value) == told
