"""Work for the pool that fails in a chosen way; each is set up in a process of its own."""

import atexit
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from compute.faults import DeviceError

STICKY = "CUDA error: an illegal memory access was encountered"


def double(device):
    return lambda task, tell: (2 * task, device, os.getpid())


@dataclass(frozen=True)
class TidiesUp:
    """Leaves a file when its process ends by itself."""

    folder: Path

    def __call__(self, device):
        atexit.register((self.folder / device.replace(":", "-")).touch)
        return lambda task, tell: task


@dataclass(frozen=True)
class Fails:
    """Doubles numbers, but for some tasks, on some devices, in a chosen way."""

    tasks: frozenset
    devices: tuple
    how: str

    def __call__(self, device):
        if self.how == "cannot start" and device in self.devices:
            raise DeviceError(f"{device} cannot load a network")

        def work(task, tell):
            if device in self.devices and task in self.tasks:
                getattr(self, self.how)()
            return 2 * task, device

        return work

    def sticky(self):
        raise RuntimeError(STICKY)

    def killed(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def silent(self):
        signal.pause()


@dataclass(frozen=True)
class FailsForGood:
    """Doubles numbers; one device fails from some task on, in every process. The others wait for its two failures."""

    device: str
    after: int
    place: Path

    def __call__(self, device):
        pipe, done = self.place / "pipe", self.place / "done"
        waited = []

        def work(task, tell):
            if device == self.device:
                count = len(done.read_text()) if done.exists() else 0
                if count >= self.after:
                    pipe.open("w").close()
                    raise RuntimeError(STICKY)
                done.write_text("x" * (count + 1))
            elif len(waited) < 2:
                pipe.open().close()
                waited.append(task)
            return self.result(task)

        return work

    def result(self, task):
        return 2 * task


def job(folder, key):
    """Tell what a job sees, or fail as its key says."""
    if key == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if key == "hangs":
        signal.pause()
    if key == "full":
        Path("/dev/full").write_text("x", encoding="utf-8")
    (folder / key).write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "all"), encoding="utf-8")


def deaf(device):
    """Tell whether Ctrl-C is kept from this process."""
    return lambda task, tell: signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
