"""What the figures were measured with, and what else the machine was doing meanwhile."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "monai", "ultralytics", "numpy", "scipy", "pandas", "zarr", "numcodecs", "octopi", "topcup")
QUIET = 0.2
"""Cores that other work may use, on average, before a measurement is called disturbed."""


class OtherWork:
    """Cores that other processes kept busy since this object was made; None where the system does not tell."""

    def __init__(self) -> None:
        self._start = self._read()

    def cores(self) -> float | None:
        """Return their mean number."""
        if self._start is None or (now := self._read()) is None:
            return None
        wall, busy, own = (b - a for a, b in zip(self._start, now, strict=True))
        return max(0.0, (busy - own) / wall) if wall > 0 else 0.0

    @staticmethod
    def _read() -> tuple[float, float, float] | None:
        try:
            numbers = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        except (OSError, ValueError):
            return None
        user, nice, system, _, _, irq, softirq, steal = numbers
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        own = os.times()
        return time.perf_counter(), busy, own.user + own.system + own.children_user + own.children_system


def describe(device: str) -> dict[str, Any]:
    """Return versions, processor, threads and load."""
    import torch

    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": versions,
        "processor": _processor(),
        "instructions": instructions(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else device,
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def instructions() -> str:
    """Return the instruction set that torch computes with here, and the networks' number format."""
    import torch

    from compute.precision import compute_dtype

    most = os.environ.get("ONEDNN_MAX_CPU_ISA")
    number = str(compute_dtype(torch.device("cpu"), "auto")).removeprefix("torch.")
    found = [torch.backends.cpu.get_cpu_capability(), *([f"oneDNN up to {most}"] if most else []), number]
    return ", ".join(found)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{names[0] if names else platform.processor()} ({', '.join(known)})"
