"""Number formats: the same code on CPU and GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tomograms.errors import InputError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "bf16", "fp16", "fp32")


def compute_dtype(device: torch.device, precision: str) -> torch.dtype:
    """Return the number format of the network's arithmetic.

    ``auto``: bf16 where the device computes with it, else fp16 on a GPU (compute capability below 8.0), else fp32.

    Raises
    ------
    InputError
        If ``precision`` is none of `PRECISIONS`.
    """
    import torch

    if precision not in PRECISIONS:
        raise InputError(f"precision: expected one of {', '.join(PRECISIONS)}, but got {precision!r}")
    if precision != "auto":
        return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    return torch.bfloat16 if device.type == "cpu" and cpu_has_bf16() else torch.float32


def cpu_has_bf16() -> bool:
    """Return whether the CPU has instructions for bf16, without which it is slower than fp32 (torch 2.12 or newer)."""
    import torch

    found: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return the context in which the network computes in ``dtype``."""
    import torch

    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def finite(compute: Callable[[], torch.Tensor], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return what ``compute`` returns under autocast to ``dtype``; where an fp16 result is not finite, without it."""
    import torch

    with autocast(device, dtype):
        result = compute()
    if dtype == torch.float16 and not bool(torch.isfinite(result).all()):
        result = compute()
    return result
