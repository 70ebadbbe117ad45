"""Facts that a stage of the check finds: a line each, kept in a file so that a crash loses none."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

T4 = 15.0
"""Memory of a T4 that a process can use, in GiB."""


@dataclass(frozen=True)
class Fact:
    """One thing that was seen; ``holds`` is ``None`` where nothing is required of it."""

    stage: str
    what: str
    value: Any
    holds: bool | None
    remark: str = ""

    def __str__(self) -> str:
        word = {None: "INFO", True: "PASS", False: "FAIL"}[self.holds]
        shown = f"{self.value:.4g}" if isinstance(self.value, float) else self.value
        return f"{word} {self.stage}: {self.what}: {shown} {self.remark}".rstrip()


@dataclass(frozen=True)
class Bench:
    """What a stage works on and tells.

    Attributes
    ----------
    stage
        Its name.
    device
        ``cpu`` or ``cuda:N``.
    place
        A folder of the whole check; ``place / "data"`` is a small simulated data set.
    file
        Where facts go.
    """

    stage: str
    device: str
    place: Path
    file: Path

    @property
    def gpu(self) -> bool:
        return self.device.startswith("cuda")

    def size(self, gpu: Any, cpu: Any) -> Any:
        """Return what is worked on: large on a GPU, small where a CPU rehearses."""
        return gpu if self.gpu else cpu

    def tell(self, what: str, value: Any, holds: bool | None = None, remark: str = "") -> None:
        """Print a fact and keep it."""
        fact = Fact(self.stage, what, value, None if holds is None else bool(holds), remark)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(fact)) + "\n")
        print(fact, flush=True)

    def sync(self) -> None:
        """Wait until the GPU has done what it was given."""
        import torch

        if self.gpu:
            torch.cuda.synchronize(self.device)

    @contextmanager
    def like_a_t4(self, what: str) -> Iterator[None]:
        """Refuse more memory than a T4 has, and tell the most that was taken."""
        import torch

        if not self.gpu:
            yield
            return
        total = torch.cuda.get_device_properties(self.device).total_memory / 2**30
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(min(1.0, T4 / total), self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        yield
        most = torch.cuda.max_memory_allocated(self.device) / 2**30
        self.tell(f"{what}, GiB", most, most < T4 - 1, f"(below {T4 - 1:g})")


def read_facts(file: Path) -> list[Fact]:
    """Return what a stage has told so far."""
    if not file.exists():
        return []
    return [Fact(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


@contextmanager
def offline(bench: Bench) -> Iterator[None]:
    """Refuse every connection while the block runs; one that is asked for is a fact that does not hold."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> Any:
        if self.family == getattr(socket, "AF_UNIX", None):
            return connect(self, address)
        bench.tell("network asked for", str(address), False)
        raise OSError(f"no network in a check: {address}")

    socket.socket.connect = refuse  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]
