"""Devices: the GPUs that work, else the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from compute.cores import limit_threads
from compute.faults import DeviceError

if TYPE_CHECKING:
    import torch

CPU = "cpu"


def resolve_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is the first GPU that works if there is one, else the CPU.

    Raises
    ------
    DeviceError
        If there is no such device, or it does not work.
    """
    import torch

    return torch.device(find_devices([name])[0])


def find_devices(
    asked: Sequence[str], *, cpu_processes: int = 1, say: Callable[[str], None] = lambda line: None
) -> list[str]:
    """Return the devices to work on, one process each; this process keeps to the threads that it may use.

    Parameters
    ----------
    asked
        Their names, which are returned as they are; or only ``auto``: every GPU that works, else the CPU. Torch is
        imported for everything but ``cpu``.
    cpu_processes
        How often ``auto`` names the CPU where no GPU works.
    say
        Takes a line where ``auto`` does without a GPU.

    Raises
    ------
    DeviceError
        If a device that was named does not work.
    """
    limit_threads()
    if list(asked) == ["auto"]:
        return _working_gpus(say) or [CPU] * cpu_processes
    for name in dict.fromkeys(asked):
        reason = "" if name == CPU else trouble(name)
        if reason:
            raise DeviceError(f"--device: expected auto, cpu or cuda[:N] that works, but got {name!r} ({reason})")
    return list(asked)


def trouble(name: str) -> str:
    """Return why a device does not work, or nothing: it must add four numbers.

    A GPU that this torch has no kernels for is there like any other, and fails at the first operation.
    """
    import torch

    try:
        total = torch.arange(4, device=torch.device(name)).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return "" if total == 6 else f"0 + 1 + 2 + 3 gives {total}"


def _working_gpus(say: Callable[[str], None]) -> list[str]:
    import torch

    with warnings.catch_warnings(record=True) as caught:  # torch warns of a driver that is too old
        warnings.simplefilter("always")
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    reasons = {f"cuda:{index}": trouble(f"cuda:{index}") for index in range(gpus)}
    working = [name for name, reason in reasons.items() if not reason]
    if not working:
        why = [f"{name}: {reason}" for name, reason in reasons.items()] or [str(w.message) for w in caught[:1]]
        first = " ".join(why[0].split())[:200] if why else "none was found"
        say(f"no GPU works ({first}): the CPU is used")
    for name, reason in reasons.items():
        if working and reason:
            say(f"{name} does not work ({reason}): it is left out")
    return working
