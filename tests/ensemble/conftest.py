"""A finished run of two made-up members, and everything fitted to it once."""

import pytest

from ensemble.ensemble import weigh
from ensemble.fitting import measure, tuning_problem
from ensemble.tuning import Tuning
from evaluation.run_directory import create_run
from evaluation.run_record import RunRecord
from postproc.candidates import write_candidates
from tests.ensemble.synthetic import PAIR, Quality, folds_of, make_data
from tomograms.dataset import DataRecord

QUICK = Tuning(trials=12)
TWO = {
    "unet": Quality({"easy": 3.5, "hard": 2.2}),
    "yolo": Quality({"easy": 3.0, "hard": 1.8}, recall=0.9, noise=0.2),
}


def write_run(path, members, truth, candidates, *, seeds=(0,), particles=PAIR):
    """Write a run as `evaluation.cv` leaves it; with several seeds every seed has the same candidates."""
    folds = folds_of(sorted(truth["experiment"].unique()))
    data = DataRecord(None, "denoised", None, None, None)
    record = RunRecord(data, "", particles, folds, {member: {} for member in members}, tuple(seeds), simulated=True)
    run = create_run(path, record, truth)
    for fold in folds:
        for member in members:
            own = candidates[(candidates["member"] == member) & candidates["experiment"].isin(fold.held_out)]
            for seed in seeds:
                model = own.assign(model=f"{fold.name}/{member}-{seed}")
                write_candidates(run.job(fold, member, seed) / "candidates.parquet", model)
    return run


@pytest.fixture(scope="session")
def data():
    """Truth and candidates of two members with independent errors, seven runs."""
    return make_data(TWO, seed=5)


@pytest.fixture
def run(tmp_path, data):
    """The same as a run on disk."""
    return write_run(tmp_path / "runs" / "made-up", TWO, *data)


@pytest.fixture(scope="session")
def problem(data):
    """The hard species' truth, weighed candidates, variances and problem."""
    hard = PAIR[1]
    truth, candidates = data
    calibrations, variance = measure(truth, candidates, hard, ["unet", "yolo"])
    weighed = weigh(candidates, {hard.name: calibrations})
    return truth, weighed, variance, tuning_problem(truth, weighed, hard, variance)
