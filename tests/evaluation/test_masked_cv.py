"""A cross-validation inside masks: what is trained on, kept, said and refused."""

import mrcfile
import numpy as np
import pandas as pd
import pytest

from ensemble.build import main as build
from evaluation.cv import main
from evaluation.run_directory import open_run
from tests.evaluation.test_cv import NAMES, SHAPE, cv, data  # noqa: F401 - a fixture
from tests.tomograms.test_masks import write_mask
from tomograms.errors import InputError
from tomograms.files import read_json

HALF = 20
"""Voxels along x from which on a tomogram lies outside."""


@pytest.fixture
def masked(data):  # noqa: F811
    mask = np.zeros(SHAPE, np.int8)
    mask[:, :, :HALF] = 1
    for name in NAMES:
        write_mask(data.parent / f"masks/{name}.mrc", mask)
    return data.parent


def inside(table):
    return np.rint(table["x"] / 10) < HALF


def test_truth_and_candidates_lie_inside_and_what_is_left_out_is_said(masked, capsys):
    cv("--run", "whole")
    capsys.readouterr()
    assert cv("--mask", "masks") == 0
    out = capsys.readouterr().out
    whole, run = open_run(masked / "runs/whole"), open_run(masked / "runs/a")
    dropped = (~inside(whole.truth())).groupby(whole.truth()["experiment"]).sum()
    said = ", ".join(f"{count} in {name}" for name, count in sorted(dropped.items(), key=lambda x: f"{x[1]} in {x[0]}"))
    assert f"masks of {masked}/masks hold 50 to 50 % of a tomogram; picks outside, which are no truth: {said}" in out
    assert run.truth().equals(whole.truth()[inside(whole.truth())].reset_index(drop=True))
    assert len(run.candidates()) and inside(run.candidates()).all()
    assert not inside(whole.candidates()).all()


def test_a_resume_needs_no_option_and_refuses_other_masks(masked):
    cv("--mask", "masks")
    assert main(["--run", "a", "--device", "cpu"]) == 0
    with pytest.raises(InputError, match=r"begun with mask = .*/masks \(\w{12}\), but is now asked for with none"):
        main(["--run", "a", "--mask", "none"])
    with mrcfile.open(masked / "masks/TS_2.mrc", "r+") as file:
        file.data[0, 0, 0] = 0
    with pytest.raises(InputError, match=r"begun with mask = .*, but is now asked for with .*/masks \("):
        main(["--run", "a"])


def test_a_run_without_masks_is_not_gone_on_with_inside_some(masked):
    cv()
    with pytest.raises(InputError, match="begun with mask = none, but is now asked for with"):
        cv("--mask", "masks")


def test_masks_may_lie_elsewhere_by_now(masked):
    cv("--mask", "masks")
    (masked / "masks").rename(masked / "moved")
    with pytest.raises(InputError, match="--mask: expected a folder with a mask"):
        main(["--run", "a"])
    assert main(["--run", "a", "--mask", "moved", "--device", "cpu"]) == 0
    assert read_json(masked / "runs/a/run.json")["data"]["mask"] == str(masked / "moved")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda folder: (folder / "TS_2.mrc").unlink(), "a mask called as the tomogram TS_2, but found none"),
        (lambda folder: write_mask(folder / "TS_3.mrc", np.zeros(SHAPE, np.int8)), "TS_3.mrc: .* but it is empty"),
        (
            lambda folder: write_mask(folder / "TS_1.mrc", np.ones((4, 4, 4), np.int8)),
            "fills its tomogram",
        ),
    ],
)
def test_a_faulty_mask_is_refused_before_the_run_is_there(masked, change, rule):
    change(masked / "masks")
    with pytest.raises(InputError, match=rule):
        cv("--mask", "masks")
    assert not (masked / "runs/a/run.json").exists()


def test_masks_that_hold_no_pick_are_refused(masked):
    corner = np.zeros(SHAPE, np.int8)
    corner[0, 0] = 1
    for name in NAMES:
        write_mask(masked / f"masks/{name}.mrc", corner)
    with pytest.raises(InputError, match="have none inside their masks"):
        cv("--mask", "masks")


def test_added_candidates_outside_are_dropped(masked):
    cv("--mask", "masks")
    run = open_run(masked / "runs/a")
    rows = [(name, "ribosome", x, 100, 100, 0.5) for name in (*NAMES, "TS_9") for x in (50, 350)]
    table = pd.DataFrame(rows, columns=["experiment", "particle_type", "x", "y", "z", "score"])
    table.to_csv(masked / "other.csv", index=False)
    assert build(["--run", "a", "--trials", "1", "--add", "other=other.csv"]) == 0
    kept = pd.read_parquet(run.path / "added/other.parquet")
    assert kept[kept["experiment"] != "TS_9"]["x"].tolist() == [50.0] * 3
    assert sorted(kept[kept["experiment"] == "TS_9"]["x"]) == [50.0, 350.0]  # nobody knows where its mask is
