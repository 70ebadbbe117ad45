"""A finished project with a whole ensemble.json and cv.json, and its report, made once."""

import pytest

from ensemble.build import main as build
from evaluation.nested import nested
from evaluation.records import report_to_record
from models import registry
from submissions.make import main as make
from submissions.prediction.fusion import load_fusion
from submissions.prediction.store import Store
from submissions.report.material import gather_material
from tests.submissions.conftest import RUN, TEST, copy_project
from tests.submissions.fakes import FAKES
from tomograms.files import write_json


@pytest.fixture(scope="session")
def reported_template(template, tmp_path_factory):
    """Return a folder with a built and predicted project whose report `submissions.make` has written, to be copied."""
    root = tmp_path_factory.mktemp("reported")
    with pytest.MonkeyPatch.context() as patch:
        project = copy_project(template, root, patch, reports=True)
        run = project.run
        candidates = {member: run.candidates([member]) for member in run.members}
        results = {member: nested(run.truth(), own, run.particles, run.folds) for member, own in candidates.items()}
        write_json(run.path / "cv.json", report_to_record(results, simulated=False))
        assert build(["--run", run.name, "--trials", "2"]) == 0
        assert make(["--run", run.name]) == 0
    return root


@pytest.fixture
def reported(reported_template, tmp_path, monkeypatch):
    """Return a project with its report."""
    return copy_project(reported_template, tmp_path, monkeypatch, reports=True)


@pytest.fixture(scope="session")
def material(reported_template):
    """Return what the report was made of; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "MEMBERS", FAKES)
        patch.chdir(reported_template)
        from evaluation.run_directory import open_run
        from tomograms.dataset import open_dataset

        run = open_run(reported_template / RUN)
        store = Store(run.path / "test")
        dataset = open_dataset(reported_template / "data")
        fusion = load_fusion(run, TEST)
        return gather_material(fusion, store=store, names=TEST, dataset=dataset, command="python -m x")
