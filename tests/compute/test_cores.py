import os
import sys

import pytest
import torch

from compute import cores
from compute.devices import find_devices


@pytest.mark.parametrize(
    ("content", "expected"),
    [("max 100000", 8), ("300000 100000", 3), ("50000 100000", 1), ("900000 100000", 8), ("damaged", 8), (None, 8)],
)
def test_no_more_cores_than_the_control_group_allows(tmp_path, monkeypatch, content, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "CGROUP", tmp_path / "cpu.max")
    if content is not None:
        (tmp_path / "cpu.max").write_text(content)
    assert cores.usable_cores() == expected


@pytest.mark.parametrize(
    ("quota", "expected"), [("300000\n", 3), ("50000\n", 1), ("-1\n", 8), ("damaged", 8), (None, 8)]
)
def test_control_groups_of_the_first_version(tmp_path, monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "CGROUP", tmp_path / "cpu.max")
    monkeypatch.setattr(cores, "OLD_CGROUP", tmp_path)
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    if quota is not None:
        (tmp_path / "cpu.cfs_quota_us").write_text(quota)
    assert cores.usable_cores() == expected


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, 4), ("1", 1), ("3,2", 3), ("64", 4), ("0", 4), ("", 4), ("all", 4)]
)
def test_no_more_threads_than_the_user_set(tmp_path, monkeypatch, asked, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "CGROUP", tmp_path / "none")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert cores.usable_threads(2) == expected
    assert cores.usable_threads(99) == 1


@pytest.mark.parametrize(("before", "after"), [(3, 2), (1, 1)])
def test_this_process_starts_no_more_threads_than_it_may_use(monkeypatch, before, after):
    monkeypatch.setattr(cores, "usable_threads", lambda: 2)
    usual = torch.get_num_threads()
    torch.set_num_threads(before)
    assert find_devices(["cpu"]) == ["cpu"]
    assert torch.get_num_threads() == after
    torch.set_num_threads(usual)


def test_torch_is_told_before_it_is_imported(monkeypatch):
    monkeypatch.setattr(cores, "usable_threads", lambda: 2)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    cores.limit_threads()
    assert os.environ["OMP_NUM_THREADS"] == "2"
