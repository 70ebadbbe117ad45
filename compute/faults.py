"""Whose fault an error is: a device's, its memory's, or neither's. No torch at import."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import TypeVar

from tomograms.errors import InputError

Size = TypeVar("Size")
Result = TypeVar("Result")

MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "not enough memory")
"""In the message of what there was no memory for."""
DEVICE = ("CUDA error", "CUDA driver error", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS", "CUSOLVER_STATUS")
"""In the message of what goes wrong on a GPU. Most of these stay: every further call in the process fails, too."""


class DeviceError(InputError):
    """A device that does not work: there is none, or it cannot load or compute."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory, a GPU's or the host's, was too small for what was asked of it."""
    return isinstance(error, MemoryError) or _says(error, MEMORY)


def is_device_fault(error: BaseException) -> bool:
    """Return whether an error is a device's: in a new process, or on another device, the same work may succeed."""
    return isinstance(error, DeviceError) or (_says(error, DEVICE) and not is_out_of_memory(error))


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def within_memory(
    attempt: Callable[[Size], Result], size: Size, smaller: Callable[[Size], Size | None]
) -> tuple[Result, Size]:
    """Return what an attempt gives at the first size that memory is enough for, and that size.

    Parameters
    ----------
    attempt
        The work.
    size
        The first one.
    smaller
        Gives the next; ``None`` where there is none.

    Raises
    ------
    Exception
        What the last attempt raised.
    """
    while True:
        try:
            return attempt(size), size
        except Exception as error:
            less = smaller(size) if is_out_of_memory(error) else None
            if less is None:
                raise
        _free_memory()  # here, where the error holds the attempt's tensors no more
        size = less


def _free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
