"""How many cores this process may use: no more than the machine has, the job was given, and the user said."""

import os
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/cpu.max")
"""Of containers and batch jobs: microseconds of CPU time and of the period that they are for, or ``max``."""
OLD_CGROUP = Path("/sys/fs/cgroup/cpu")
"""The folder of the same two where the system has the first version of control groups; -1 is no limit."""


def usable_cores() -> int:
    """Return the cores that this process may use, by affinity (taskset, SLURM) and by its control group (Docker)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, _quota())
        cores = min(cores, max(1, quota // period)) if quota > 0 else cores
    except (OSError, ValueError):  # no control group, or no limit
        pass
    return cores


def _quota() -> list[str]:
    """Return what a control group says of CPU time and its period."""
    if CGROUP.exists():
        return CGROUP.read_text(encoding="ascii").split()
    return [(OLD_CGROUP / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")]


def limit_threads() -> None:
    """Keep this process to the threads that it may use; torch knows of no control group and believes what was set."""
    number = usable_threads()
    torch = sys.modules.get("torch")
    if torch is None:  # it reads this when it is imported
        os.environ["OMP_NUM_THREADS"] = str(number)
    elif torch.get_num_threads() > number:
        torch.set_num_threads(number)


def usable_threads(processes: int = 1) -> int:
    """Return the threads that each of some processes gets: its share of the cores, and no more than the user set."""
    share = max(1, usable_cores() // processes)
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(share, int(asked)) if asked.isdigit() and int(asked) else share
