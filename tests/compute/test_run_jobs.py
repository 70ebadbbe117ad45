"""Jobs as processes of this machine: what fails is said, and costs nothing that others have done."""

import pytest

from compute.cluster import run_jobs
from compute.cluster_options import Cluster
from compute.job_records import DONE, ENDED
from tests.compute.faulty import job


def run(folder, keys, cluster):
    told = []
    left = run_jobs(
        cluster, job, folder, keys, finished=lambda key: (folder / key).exists(), told=told.append, name="test"
    )
    return {status.key: status for status in told}, [status.key for status in left]


@pytest.mark.parametrize(("gpus", "seen"), [("1,3", "1,3"), (None, "all")])
def test_a_killed_job_is_left_and_the_others_are_done_and_see_the_same_gpus(tmp_path, monkeypatch, gpus, seen):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if gpus is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    told, left = run(tmp_path, ["killed", "a"], Cluster("local", 2, {}))
    assert left == ["killed"] and (tmp_path / "a").read_text() == seen
    assert {key: status.state for key, status in told.items()} == {"killed": ENDED, "a": DONE}
    assert str(told["killed"]) == "killed: its process ended without a word, see the output of its job"


def test_a_job_that_hangs_is_ended_by_its_time_limit(tmp_path):
    (tmp_path / "a").touch()
    told, left = run(tmp_path, ["a", "hangs"], Cluster("local", 2, {"time": 0.04}))
    assert left == ["hangs"] and told["hangs"].state == ENDED and (tmp_path / "a").exists()
