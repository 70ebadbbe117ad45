"""A whole small project: a data set in Kaggle's layout and a finished cross-validation of two fake members."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ensemble.clustering import average_models
from ensemble.fitting import fit_ensemble
from evaluation.folds import Fold
from evaluation.run_directory import create_run, open_run
from evaluation.run_record import RunRecord
from models import registry
from postproc.candidates import write_candidates
from postproc.convert import to_candidates
from submissions.make import main as make
from tests.submissions.fakes import FAKES as FAKE_MEMBERS
from tests.submissions.fakes import BoxesPredictor, MapsPredictor, write_fake_weights
from tomograms.dataset import open_dataset
from tomograms.files import read_json, write_json
from tomograms.kaggle_tree import write_run
from tomograms.particles import CZII
from tomograms.picks import join_truth, write_truth

SHAPE = (28, 56, 56)
VOXEL_SIZE = 10.0
TRAIN = ("TS_1", "TS_2")
TEST = ("TS_8", "TS_9")
RUN = Path("runs/tiny")


@dataclass
class Project:
    """Where everything lies; the working directory is ``root``."""

    root: Path
    data: Path

    @property
    def run(self):
        return open_run(self.root / RUN)

    @property
    def dataset(self):
        return open_dataset(self.data)


def draw_picks(seed):
    generator = np.random.default_rng(seed)
    high = (np.array(SHAPE[::-1]) - 1) * VOXEL_SIZE
    return {p.name: np.round(generator.uniform(0.1, 0.9, (3, 3)) * high, 1) for p in CZII}


def write_tiny_data(root):
    for number, name in enumerate((*TRAIN, *TEST)):
        volume = np.random.default_rng(number).normal(0, 1e-5, SHAPE).astype(np.float32)
        split = "train" if name in TRAIN else "test"
        write_run(root, split, name, volume=volume, voxel_size=VOXEL_SIZE, picks=draw_picks(number))
    return open_dataset(root)


def write_tiny_run(path, dataset):
    truth = join_truth([dataset.picks(name) for name in TRAIN])
    write_truth(path / "everything.csv", join_truth([dataset.picks(name) for name in (*TRAIN, *TEST)]))
    folds = [Fold((name,), tuple(other for other in TRAIN if other != name)) for name in TRAIN]
    members: dict = {"boxes": {}, "maps": {}}
    record = RunRecord(dataset.record(), dataset.fingerprint(TRAIN), CZII, tuple(folds), members, (8620,))
    run = create_run(path, record, truth)
    for member in run.members:
        for seed, (fold, job) in enumerate(zip(run.folds, run.jobs(member), strict=True)):
            write_fake_weights(job, truth_file=path / "everything.csv", particles=CZII, member=member, seed=seed)
            tomogram = dataset.tomogram(fold.held_out[0])
            output = registry.get_member(member).load(job, "cpu").predict(tomogram)
            table = to_candidates(
                output, CZII, VOXEL_SIZE, experiment=tomogram.name, member=member, model=f"{fold.name}/{member}-8620"
            )
            write_candidates(job / "candidates.parquet", table)
    candidates = average_models(run.candidates(), CZII, len(run.seeds))
    ensemble = fit_ensemble(truth, candidates, particles=CZII, members=run.members, tuning=None)
    write_json(path / "ensemble.json", {"ensemble": ensemble.to_record()})


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """Return a folder with a finished cross-validation, to be copied."""
    root = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "MEMBERS", FAKE_MEMBERS)
        write_tiny_run(root / RUN, write_tiny_data(root / "data"))
    return root


@pytest.fixture(scope="session")
def predicted_template(template, tmp_path_factory):
    """Return a folder in which the test runs have been predicted, too, to be copied."""
    root = tmp_path_factory.mktemp("predicted")
    with pytest.MonkeyPatch.context() as patch:
        project = copy_project(template, root, patch)
        assert make(["--run", project.run.name]) == 0
    return root


def copy_project(template, root, monkeypatch, *, reports=False):
    """Return a copy of a project in the folder ``root``, which becomes the working directory.

    Submissions and picks are made without their report, which takes seconds, unless ``reports``.
    """
    monkeypatch.setattr(registry, "MEMBERS", FAKE_MEMBERS)
    if not reports:
        monkeypatch.setattr("submissions.prediction.submit.write_page", lambda *arguments: None)
        monkeypatch.setattr("submissions.prediction.picking.write_report", lambda material, folder: folder)
    monkeypatch.chdir(root)
    shutil.copytree(template, root, dirs_exist_ok=True)
    record = read_json(root / RUN / "run.json")
    record["data"]["root"] = str(root / "data")
    record["data_hash"] = open_dataset(root / "data").fingerprint(TRAIN)
    write_json(root / RUN / "run.json", record)
    MapsPredictor.calls = BoxesPredictor.calls = 0
    return Project(root, root / "data")


@pytest.fixture
def project(template, tmp_path, monkeypatch):
    """Return a project with a finished cross-validation; nothing has been predicted for the test runs."""
    return copy_project(template, tmp_path, monkeypatch)


@pytest.fixture
def predicted(predicted_template, tmp_path, monkeypatch):
    """Return a project whose submission has been made."""
    return copy_project(predicted_template, tmp_path, monkeypatch)
