"""Device and number format: the same code on CPU and GPU."""

from __future__ import annotations

import torch

from tomograms.errors import InputError

PRECISIONS = ("auto", "bf16", "fp16", "fp32")


def resolve_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is the first GPU if there is one, else the CPU.

    Raises
    ------
    InputError
        If there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device: expected auto, cpu or cuda[:N], but got {name!r} ({error})") from None
    return device


def every_gpu() -> list[str]:
    """Return the names of all GPUs, ``cuda:0`` first; none without CUDA."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []


def compute_dtype(device: torch.device, precision: str) -> torch.dtype:
    """Return the number format of the network's arithmetic.

    ``auto``: bf16 where the device computes with it, else fp16 on a GPU (compute capability below 8.0), else fp32.

    Raises
    ------
    InputError
        If ``precision`` is none of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision: expected one of {', '.join(PRECISIONS)}, but got {precision!r}")
    if precision != "auto":
        return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    native = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return the context in which the network computes in ``dtype``."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
