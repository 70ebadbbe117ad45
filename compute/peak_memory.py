"""The most memory that this process has used so far."""

import sys

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def peak_memory() -> dict[str, int]:
    """Return bytes at the peak: of the ``host``, and of the ``gpu`` that used most; nothing where it is not known."""
    found = {}
    if resource is not None:
        unit = 1 if sys.platform == "darwin" else 1024
        found["host"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        found["gpu"] = max(torch.cuda.max_memory_allocated(device) for device in range(torch.cuda.device_count()))
    return found
