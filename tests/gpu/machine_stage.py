"""The stage ``machine``: what the figures were measured with."""

import os
import sys
from importlib import metadata

import torch

from tests.gpu.facts import Bench

PACKAGES = ("torch", "torchvision", "monai", "ultralytics", "numpy", "scipy", "pandas", "zarr")


def machine(bench: Bench) -> None:
    """Say what the figures were measured with."""
    bench.tell("Python", sys.version.split()[0])
    for name in PACKAGES:
        bench.tell(name, metadata.version(name))
    bench.tell("CPU cores", os.cpu_count())
    room = os.statvfs("/dev/shm")
    bench.tell("/dev/shm, GiB", room.f_bavail * room.f_frsize / 2**30)
    if bench.gpu:
        properties = torch.cuda.get_device_properties(bench.device)
        bench.tell("GPU", f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB")
        bench.tell("CUDA, cuDNN", f"{torch.version.cuda}, {torch.backends.cudnn.version()}")
        total = float(torch.ones(8, device=bench.device).sum())
        bench.tell("sum of eight ones", total, total == 8)
