"""A finished run of two made-up members, and everything fitted to it once."""

import pytest

from ensemble.ensemble import weigh
from ensemble.fitting import make_landscape, measure
from ensemble.tuning import Tuning
from evaluation.run_directory import create_run, folds_to_records, to_records
from postproc.candidates import write_candidates
from tests.ensemble.synthetic import PAIR, Quality, folds_of, make_data

QUICK = Tuning(trials=12)
TWO = {
    "unet": Quality({"easy": 3.5, "hard": 2.2}),
    "yolo": Quality({"easy": 3.0, "hard": 1.8}, recall=0.9, noise=0.2),
}


def write_run(path, members, truth, candidates, *, seeds=(0,), particles=PAIR):
    """Write a run as `evaluation.cv` leaves it; with several seeds every seed has the same candidates."""
    folds = folds_of(sorted(truth["experiment"].unique()))
    record = {
        "data": {},
        "data_hash": "",
        "simulated": True,
        "particles": to_records(particles),
        "folds": folds_to_records(folds),
        "members": {member: {} for member in members},
        "seeds": list(seeds),
    }
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
    """The hard species' truth, weighed candidates, variances and landscape."""
    hard = PAIR[1]
    truth, candidates = data
    calibrations, variance = measure(truth, candidates, hard, ["unet", "yolo"])
    weighed = weigh(candidates, {hard.name: calibrations})
    return truth, weighed, variance, make_landscape(truth, weighed, hard, variance)
