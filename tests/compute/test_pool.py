"""Faults of processes and devices, with devices that are only names."""

import os
import signal
from collections import deque

import pytest

from compute.pool import Care, Lost, work_on
from tests.compute.faulty import STICKY, Fails, FailsForGood, TidiesUp, deaf, double

CARE = Care()
TWO = ("cuda:0", "cuda:1")


def run(set_up, tasks=12, *, devices=TWO, care=CARE):
    """Return results by task, and what was told of faults: task, reason, dropped device."""
    faults = []
    results = dict(
        work_on(
            iter(range(tasks)),
            set_up,
            devices=devices,
            begun=lambda task, device: None,
            told=lambda task: None,
            care=care,
            faulty=lambda task, lost, dropped: faults.append((task, lost.reason, dropped)),
        )
    )
    assert sorted(results) == list(range(tasks))
    return results, faults


def lost(results):
    return {task for task, result in results.items() if isinstance(result, Lost)}


def test_a_gpu_has_a_process_of_its_own_and_the_cpu_works_here():
    gpu, _ = run(double, 3, devices=["cuda:0"])
    assert {result[2] for result in gpu.values()}.isdisjoint({os.getpid()})
    assert len({result[2] for result in gpu.values()}) == 1
    cpu, _ = run(double, 3, devices=["cpu"])
    assert cpu == {task: (2 * task, "cpu", os.getpid()) for task in range(3)}


def test_ctrl_c_is_for_the_command_which_ends_its_processes():
    """A terminal sends it to all of them, and one that was still importing printed a traceback."""
    results, _ = run(deaf, 2)
    assert results == {0: True, 1: True}
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_processes_tidy_up_when_nothing_is_left_to_do(tmp_path):
    """Killed ones leave locks behind, of which Python complains when the command ends."""
    run(TidiesUp(tmp_path), 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cuda-0", "cuda-1"]


@pytest.mark.parametrize(("devices", "ahead"), [(["cuda:0"], 1), (["cpu"], 0)])
def test_a_device_works_on_while_a_result_is_dealt_with(devices, ahead):
    """Before its next task it is told of the result, on which that may depend."""
    said = []
    results = work_on(
        iter(range(3)),
        double,
        devices=devices,
        begun=lambda task, device: said.append(f"begun {task}"),
        told=lambda task: None,
        done=lambda task, result: said.append(f"done {result[0]}"),
    )
    for task, _ in results:
        said.append(f"taken {task}")
    expected = ["begun 0", "done 0", "taken 0", "begun 1", "done 2", "taken 1", "begun 2", "done 4", "taken 2"]
    if ahead:
        expected = ["begun 0", "done 0", "begun 1", "taken 0", "done 2", "begun 2", "taken 1", "done 4", "taken 2"]
    assert said == expected


@pytest.mark.parametrize(("how", "reason"), [("sticky", STICKY), ("killed", "its process was killed")])
def test_a_task_that_fails_on_one_device_is_done_on_the_other(how, reason):
    results, faults = run(Fails(frozenset(range(12)), ("cuda:1",), how))
    assert results == {task: (2 * task, "cuda:0") for task in range(12)}
    assert {fault[1] for fault in faults} == {reason} and len(faults) <= 2  # after two the device is dropped


def test_a_device_that_fails_for_good_is_dropped_after_two_tasks_and_loses_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    results, faults = run(FailsForGood("cuda:1", 5, tmp_path), 100)
    assert results == {task: 2 * task for task in range(100)}
    assert [(fault[1], fault[2]) for fault in faults] == [(STICKY, None), (STICKY, "cuda:1")]


@pytest.mark.parametrize("devices", [TWO, ("cuda:0", "cuda:0"), ("cpu", "cpu")])
def test_a_task_that_fails_everywhere_is_lost_and_blames_no_device(devices):
    results, faults = run(Fails(frozenset({2}), devices, "killed"), devices=devices)
    assert lost(results) == {2}
    assert [(fault[0], fault[2]) for fault in faults] == [(2, None)]


class OneBadAtATime:
    """Tasks 0 to 11; a bad one is given only when it is known what became of the one before."""

    def __init__(self, bad):
        self.tasks, self.bad, self.open = deque(range(12)), bad, False

    def __iter__(self):
        return self

    def __next__(self):
        if not self.tasks or (self.open and self.tasks[0] in self.bad):
            raise StopIteration
        self.open = self.open or self.tasks[0] in self.bad
        return self.tasks.popleft()


def test_a_device_is_not_blamed_for_tasks_that_fail_on_another_too():
    """One after the other; of two at once, one device could have failed both before another had tried either."""
    tasks = OneBadAtATime({2, 7, 9})
    results, faults = {}, []
    for task, result in work_on(
        tasks,
        Fails(frozenset(tasks.bad), TWO, "killed"),
        devices=TWO,
        begun=lambda task, device: None,
        told=lambda task: None,
        care=CARE,
        faulty=lambda task, lost, dropped: faults.append((task, dropped)),
    ):
        results[task] = result
        tasks.open = tasks.open and task not in tasks.bad
    assert sorted(results) == list(range(12)) and lost(results) == {2, 7, 9}
    assert faults == [(2, None), (7, None), (9, None)]


def test_the_only_device_is_given_up_after_two_tasks():
    results, faults = run(Fails(frozenset(range(4, 12)), ("cuda:0",), "sticky"), devices=["cuda:0"])
    assert lost(results) == set(range(4, 12))
    assert str(results[4]) == f"{STICKY} (cuda:0)"
    assert str(results[11]) == f"no device is left: {STICKY}"
    assert [fault[0] for fault in faults] == [4, 5]


def test_a_device_that_cannot_start_is_dropped():
    results, faults = run(Fails(frozenset(), ("cuda:1",), "cannot start"), devices=TWO)
    assert lost(results) == set() and {fault[1] for fault in faults} == {"cuda:1 cannot load a network"}


def test_without_any_device_nothing_is_done_and_all_is_said():
    results, faults = run(Fails(frozenset(), TWO, "cannot start"))
    assert lost(results) == set(range(12))
    assert {fault[2] for fault in faults if fault[2]} == set(TWO)
    assert "no device is left: cuda:" in str(results[11])


def test_a_silent_process_is_ended():
    care = Care(silence=10.0, shortest=4.0)  # more than a busy machine lets a process wait
    results, faults = run(Fails(frozenset(range(12)), ("cuda:1",), "silent"), care=care)
    assert results == {task: (2 * task, "cuda:0") for task in range(12)}
    assert faults and all("its process said nothing for" in fault[1] for fault in faults)


def test_without_care_a_task_is_lost_with_its_process():
    bad = Fails(frozenset({1}), TWO, "killed")
    with pytest.raises(ValueError, match="seen"):
        for _, result in work_on(
            iter(range(3)), bad, devices=TWO, begun=lambda task, device: None, told=lambda task: None
        ):
            if isinstance(result, Lost):
                raise ValueError("seen")
