"""Devices: the GPUs that there are, else the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tomograms.errors import InputError

if TYPE_CHECKING:
    import torch


def resolve_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is the first GPU if there is one, else the CPU.

    Raises
    ------
    InputError
        If there is no such device.
    """
    import torch

    try:
        device = torch.device(find_devices([name])[0])
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device: expected auto, cpu or cuda[:N], but got {name!r} ({error})") from None
    return device


def find_devices(asked: Sequence[str], *, cpu_processes: int = 1) -> list[str]:
    """Return the devices to work on, one process each.

    Parameters
    ----------
    asked
        Their names, which are returned as they are; or only ``auto``: every GPU, else the CPU. Torch is imported only
        for ``auto``.
    cpu_processes
        How often ``auto`` names the CPU where there is no GPU.
    """
    if list(asked) != ["auto"]:
        return list(asked)
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [f"cuda:{index}" for index in range(gpus)] or ["cpu"] * cpu_processes
