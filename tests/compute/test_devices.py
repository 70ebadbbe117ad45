import torch

from compute.devices import find_devices


def test_devices(monkeypatch):
    assert find_devices(["cpu"]) == ["cpu"]
    assert find_devices(["cuda:1", "cuda:0"]) == ["cuda:1", "cuda:0"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_devices(["auto"]) == ["cpu"]
    assert find_devices(["auto"], cpu_processes=2) == ["cpu", "cpu"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert find_devices(["auto"], cpu_processes=2) == ["cuda:0", "cuda:1", "cuda:2"]
