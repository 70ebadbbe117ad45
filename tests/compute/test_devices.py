import warnings

import pytest
import torch

from compute import devices
from compute.devices import find_devices, resolve_device, trouble
from compute.faults import DeviceError

TOO_OLD = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040)."
NO_KERNELS = "CUDA error: no kernel image is available for execution on the device"


def pretend(monkeypatch, *, gpus, broken=()):
    """Let there be some GPUs, of which some do not work."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(devices, "trouble", lambda name: NO_KERNELS if name in broken else "")


def auto(**options):
    lines = []
    return find_devices(["auto"], say=lines.append, **options), lines


def test_every_gpu_that_works_is_taken(monkeypatch):
    pretend(monkeypatch, gpus=3)
    assert auto(cpu_processes=2) == (["cuda:0", "cuda:1", "cuda:2"], [])
    assert find_devices(["cuda:1", "cuda:0", "cuda:1"]) == ["cuda:1", "cuda:0", "cuda:1"]
    pretend(monkeypatch, gpus=3, broken=("cuda:1",))
    assert auto() == (["cuda:0", "cuda:2"], [f"cuda:1 does not work ({NO_KERNELS}): it is left out"])


def test_without_a_gpu_that_works_the_cpu_is_taken_and_one_line_says_why(monkeypatch):
    pretend(monkeypatch, gpus=0)
    assert auto() == (["cpu"], ["no GPU works (none was found): the CPU is used"])
    pretend(monkeypatch, gpus=2, broken=("cuda:0", "cuda:1"))
    chosen, (line,) = auto(cpu_processes=2)
    assert chosen == ["cpu", "cpu"] and line == f"no GPU works (cuda:0: {NO_KERNELS}): the CPU is used"

    def old():
        warnings.warn(TOO_OLD, stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", old)
    assert auto() == (["cpu"], [f"no GPU works ({TOO_OLD}): the CPU is used"])
    assert resolve_device("auto") == torch.device("cpu")


def test_a_device_that_was_named_must_work(monkeypatch):
    assert find_devices(["cpu", "cpu"]) == ["cpu", "cpu"] and resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(DeviceError, match=r"expected auto, cpu or cuda\[:N\] that works, but got 'nonsense'"):
        find_devices(["cpu", "nonsense"])
    pretend(monkeypatch, gpus=2, broken=("cuda:1",))
    with pytest.raises(DeviceError, match=r"'cuda:1' \(CUDA error: no kernel image"):
        find_devices(["cuda:0", "cuda:1"])


def test_an_operation_is_tried(monkeypatch):
    assert trouble("cpu") == ""
    assert trouble("meta") != ""  # it computes nothing

    def no_kernels(*arguments, **options):
        raise RuntimeError(f"{NO_KERNELS}\nCUDA kernel errors might be asynchronously reported")

    monkeypatch.setattr(torch, "arange", no_kernels)
    assert trouble("cpu") == NO_KERNELS
    monkeypatch.setattr(torch, "arange", lambda *arguments, **options: torch.zeros(4))
    assert trouble("cpu") == "0 + 1 + 2 + 3 gives 0.0"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu():
    with pytest.raises(DeviceError, match="'cuda:0'"):
        resolve_device("cuda:0")
