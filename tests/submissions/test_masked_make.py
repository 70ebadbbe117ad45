"""Predictions inside masks: what is submitted, said and computed again."""

import numpy as np
import pytest

from submissions.make import main
from tests.submissions.conftest import SHAPE, TEST, TRAIN
from tests.submissions.prediction.test_inference import calls
from tests.submissions.test_make import make, submission
from tests.tomograms.test_masks import write_mask
from tomograms.errors import InputError
from tomograms.files import read_json, write_json

HALF = 28


@pytest.fixture
def masks(project):
    mask = np.zeros(SHAPE, np.int8)
    mask[:, :, :HALF] = 1
    for name in (*TRAIN, *TEST):
        write_mask(project.root / f"masks/{name}.mrc", mask)
    return project.root / "masks"


def test_only_what_lies_inside_is_submitted(project, masks, capsys):
    assert make("--run", "tiny") == 0
    whole = submission(project)
    assert make("--run", "tiny", "--mask", "masks") == 0
    out = capsys.readouterr().out
    table = submission(project)
    assert f"inside the masks of {masks}" in out
    assert 0 < len(table) < len(whole) and (table["x"] < HALF * 10 + 30).all()  # a fused position may be an average
    assert (whole["x"] > HALF * 10 + 60).any()


def test_a_prediction_is_kept_for_its_mask(project, masks):
    assert make("--run", "tiny", "--mask", "masks") == 0
    first = calls()
    assert make("--run", "tiny", "--mask", "masks") == 0
    assert calls() == first
    write_mask(masks / f"{TEST[0]}.mrc", np.ones(SHAPE, np.int8))
    assert make("--run", "tiny", "--mask", "masks") == 0
    assert calls() != first


def test_a_tomogram_without_mask_is_refused_at_the_start(project, masks):
    (masks / f"{TEST[1]}.mrc").unlink()
    with pytest.raises(InputError, match=f"expected a mask called as the tomogram {TEST[1]}"):
        main(["--run", "tiny", "--mask", "masks"])
    assert calls() == (0, 0)


def test_a_run_trained_inside_masks_says_so_where_there_are_none(project, masks, capsys):
    path = project.run.path / "run.json"
    record = read_json(path)
    record["data"]["mask"], record["mask_hash"] = str(masks), "0" * 64
    write_json(path, record)
    assert make("--run", "tiny") == 0
    assert f"inside the masks of {masks}" in capsys.readouterr().out
    assert make("--run", "tiny", "--mask", "none") == 0
    assert "run tiny was trained inside masks; these tomograms are predicted as a whole" in capsys.readouterr().out
