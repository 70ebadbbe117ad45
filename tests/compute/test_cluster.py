"""What is known of jobs, from the files that they and their submitting process leave."""

import os
import socket

import psutil
import pytest

from compute.cluster import Work
from compute.job_records import DONE, ENDED, FAILED, RUNNING, WAITING, do_job, find_jobs, status
from tomograms.files import write_json

GONE = 2**22 + 7


def nothing(folder, key):
    pass


def submitted(jobs, **changes):
    own = psutil.Process()
    record = {"on": "local", "number": str(own.pid), "host": socket.gethostname(), "started": own.create_time()}
    write_json(jobs / "a/submitted.json", {**record, **changes})


def state_of(jobs, alive=lambda on, number: pytest.fail("nobody asks SLURM")):
    return status(jobs, "a", alive).state


def test_a_job_of_this_machine_lives_as_long_as_its_process(tmp_path):
    assert state_of(tmp_path) == ENDED  # never submitted
    submitted(tmp_path)
    assert state_of(tmp_path) == WAITING and find_jobs(tmp_path) == ["a"]
    submitted(tmp_path, started=1.0)  # its number is another process's by now
    assert state_of(tmp_path) == ENDED
    submitted(tmp_path, number=str(GONE))
    about = {"number": str(GONE), "node": "n", "began": 0.0, "state": RUNNING}
    own = psutil.Process()
    write_json(tmp_path / "a/state.json", {**about, "pid": own.pid, "started": own.create_time()})
    assert state_of(tmp_path) == RUNNING  # what had started it is gone, the work goes on
    write_json(tmp_path / "a/state.json", {**about, "pid": GONE, "started": 1.0})
    assert state_of(tmp_path) == ENDED
    submitted(tmp_path, host="elsewhere")
    assert state_of(tmp_path) == WAITING  # nobody can tell from here


def test_slurm_is_asked_for_its_jobs(tmp_path):
    submitted(tmp_path, on="slurm", number="7_1")
    assert state_of(tmp_path, lambda on, number: number == "7_1") == WAITING
    assert state_of(tmp_path, lambda on, number: False) == ENDED


def test_how_a_job_went_is_kept(tmp_path):
    seen = []
    submitted(tmp_path, number="5")
    do_job(tmp_path / "a", lambda: seen.append((tmp_path / "a/.lock").exists()), "5")
    assert seen == [True] and state_of(tmp_path) == DONE and not (tmp_path / "a/.lock").exists()
    with pytest.raises(ZeroDivisionError):
        do_job(tmp_path / "a", lambda: 1 / 0, "5")
    known = status(tmp_path, "a", lambda on, number: False)
    assert (known.state, known.node) == (FAILED, socket.gethostname())
    assert str(known) == "a: ZeroDivisionError: division by zero"
    submitted(tmp_path, number=str(os.getpid()))  # submitted again: what the earlier one left is of no account
    assert state_of(tmp_path) == WAITING


def test_what_is_queued_again_is_the_same(tmp_path):
    work = Work(nothing, str(tmp_path))
    again = work.checkpoint("folder", "a")
    assert (again.function, again.args, again.kwargs) == (work, ("folder", "a"), {})
