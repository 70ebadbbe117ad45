"""The host's memory: what one large tensor frees is kept for the next one; what processes share."""

import ctypes
import shutil
from functools import cache
from pathlib import Path

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""glibc's numbers of these two parameters (malloc.h)."""
SHARED = Path("/dev/shm")
PLENTY = 1 << 40


@cache
def keep_freed_memory() -> bool:
    """Tell the C library not to hand freed memory back to the kernel; return whether it took that.

    glibc maps every block above 32 MB anew, and the kernel fills it with zeros page by page. Where each layer writes a
    tensor of that size, this took a third of the time of inference on a CPU, and a tenth of that of training. Other C
    libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # not glibc; TypeError: Windows
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, -1))


def shared_memory() -> int:
    """Return the bytes that are free for what processes share; `PLENTY` where no limit is known."""
    try:
        return shutil.disk_usage(SHARED).free
    except OSError:  # not Linux
        return PLENTY
