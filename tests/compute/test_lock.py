import json
import os
import socket
import subprocess
import sys

import psutil
import pytest

from compute.lock import NAME, forget, held
from tomograms.errors import InputError


def write(folder, **changes):
    me = {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}
    (folder / NAME).write_text(json.dumps({**me, **changes}))


def test_a_second_process_is_told_who_holds_the_folder(tmp_path):
    with held(tmp_path):
        code = f"from pathlib import Path; from compute.lock import held\nwith held(Path({str(tmp_path)!r})): pass"
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert f"process {os.getpid()} on {socket.gethostname()} does" in ended.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == [NAME]
    assert not list(tmp_path.iterdir())


def test_an_error_inside_leaves_no_lock(tmp_path):
    with pytest.raises(KeyboardInterrupt), held(tmp_path / "new"):
        raise KeyboardInterrupt
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    "changes",
    [{"pid": 2**22 + 7}, {"started": psutil.Process().create_time() - 3600}],
    ids=["process is gone", "number is another process's"],
)
def test_a_dead_holder_is_replaced(tmp_path, changes):
    write(tmp_path, **changes)
    with held(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()


def test_a_damaged_lock_is_replaced(tmp_path):
    (tmp_path / NAME).write_text("{")
    with held(tmp_path):
        pass


def test_a_holder_on_another_machine_is_believed(tmp_path):
    write(tmp_path, host="elsewhere", pid=1)
    message = r"process 1 on elsewhere does; wait for it, or delete .*lock if it is gone"
    with pytest.raises(InputError, match=message), held(tmp_path):
        pass
    assert (tmp_path / NAME).exists()


def test_a_batch_job_that_was_queued_again_takes_over_its_own_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    write(tmp_path, host="elsewhere", job="13")
    with pytest.raises(InputError, match="on elsewhere does"), held(tmp_path):
        pass
    write(tmp_path, host="elsewhere", job="12")
    with held(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["job"] == "12"


def test_only_another_machine_s_lock_is_forgotten(tmp_path):
    forget(tmp_path)
    write(tmp_path)
    forget(tmp_path)
    assert (tmp_path / NAME).exists()
    write(tmp_path, host="elsewhere")
    forget(tmp_path)
    assert not (tmp_path / NAME).exists()
