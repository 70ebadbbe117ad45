"""What `submissions.doctor` looks at: one finding a line, and what to do where something is not as it should be."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import platformdirs
import psutil

from compute.cores import usable_cores, usable_threads
from compute.devices import find_devices, resolve_device
from compute.packages import bad_pairs, installed, unmet
from compute.precision import compute_dtype
from models.initial import SHIPPED
from submissions.kaggle.packages import PROJECT, project_metadata
from tomograms.console import console
from tomograms.errors import InputError

GOOD, NOTE, BAD = "ok", "note", "BAD"
SHOWN = ("torch", "monai", "ultralytics", "numpy", "zarr", "copick")
MEMORY = 4.0
"""GB that predicting a tomogram of the competition's size takes on a CPU, the networks included (measured: 3.95)."""
DISK = 2.0
"""GB that a run of the phantom and its cache take, with room to spare."""
IMPORTED = ("numpy", "torch", "torchvision", "cv2", "monai", "ultralytics", "zarr", "copick", "mrcfile")
GB = 1e9


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes
    ----------
    state
        `GOOD`, `NOTE` (it works, but) or `BAD` (it will not).
    about
        What was looked at.
    text
        What was found.
    advice
        What to do; empty where there is nothing to be done.
    """

    state: str
    about: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.state:5}{self.about:15}{self.text}{f': {self.advice}' if self.advice else ''}"


def check_up() -> int:
    """Print every finding; return 1 if something will not work, else 0."""
    worst = 0
    for look in (python, packages, imports, devices, threads, memory, disk, offline, weights):
        for finding in guarded(look):
            console().print(str(finding), soft_wrap=True)
            worst = max(worst, int(finding.state == BAD))
    pick = "cryoet-picks pick" if installed(PROJECT) else "python -m submissions.pick"
    last = "something will not work: see the lines that begin with BAD" if worst else f"fit: {pick} DATA"
    console().print(last)
    return worst


def guarded(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what a look finds; what it breaks at is a finding, too."""
    try:
        yield from look()
    except Exception as error:  # the next look may say more
        yield Finding(BAD, look.__name__, f"cannot be looked at ({type(error).__name__}: {error})")


def python() -> Iterator[Finding]:
    """Look at Python and at how the project is installed."""
    where = "installed" if installed(PROJECT) else "not installed, run from a checkout"
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}; {PROJECT} {where}"
    old = sys.version_info < (3, 11)
    yield Finding(BAD if old else GOOD, "Python", text, "use 3.11 or newer" if old else "")


def packages() -> Iterator[Finding]:
    """Look at versions, and at those that do not go together."""
    yield Finding(GOOD, "versions", ", ".join(f"{name} {installed(name) or 'missing'}" for name in SHOWN))
    wrong = unmet(project_metadata().requirements)
    repair = "pip install --constraint constraints.txt . in a new environment has versions that go together"
    for words in wrong[:5]:
        yield Finding(BAD, "packages", words, repair)
    for words in bad_pairs():
        yield Finding(NOTE, "packages", words)
    if not wrong:
        yield Finding(GOOD, "packages", "every package has what it asks of the others")


def imports() -> Iterator[Finding]:
    """Import what has libraries of the system behind it."""
    broken = False
    for name in IMPORTED:
        try:
            import_module("models.yolo.runtime" if name == "ultralytics" else name)  # offline and quiet
        except Exception as error:
            broken = True
            missing = "libGL" in str(error) or "libgthread" in str(error)
            yield Finding(
                BAD,
                "imports",
                f"{name} cannot be imported ({error})",
                "apt-get install libgl1 libglib2.0-0, or opencv-python-headless in place of opencv-python"
                if missing
                else "install it anew, as above",
            )
    if not broken:
        yield Finding(GOOD, "imports", f"{', '.join(IMPORTED)} can be imported")


def devices() -> Iterator[Finding]:
    """Look at GPUs and at the number format of each device."""
    import torch

    for name in find_devices(["auto"]):
        device = resolve_device(name)
        number = str(compute_dtype(device, "auto")).removeprefix("torch.")
        if device.type == "cuda":
            about = torch.cuda.get_device_properties(device)
            text = f"{about.name}, {about.total_memory / GB:.0f} GB, computes in {number}"
            yield Finding(GOOD, name, text)
            continue
        slow = (
            "" if number == "bfloat16" else "it has no instructions for bf16, so everything takes about twice as long"
        )
        yield Finding(GOOD if not slow else NOTE, "device", f"CPU, computes in {number}", slow)
        if torch.version.cuda and shutil.which("nvidia-smi"):
            advice = (
                f"torch wants CUDA {torch.version.cuda}: update the driver, or install the torch build that fits it"
            )
            yield Finding(NOTE, "GPU", "there is a driver, but torch finds no GPU", advice)
        elif torch.version.cuda:
            yield Finding(NOTE, "GPU", "none; torch's CUDA build takes 4 GB for nothing", "see Getting started")


def threads() -> Iterator[Finding]:
    """Look at the cores that may be used."""
    import torch

    machine, usable, used = os.cpu_count() or 1, usable_cores(), usable_threads()
    text = f"{usable} of the machine's {machine} cores may be used; threads: {used}"
    asked = os.environ.get("OMP_NUM_THREADS")
    if used < usable:
        yield Finding(NOTE, "threads", text, f"OMP_NUM_THREADS={asked}; unset it to use all of them")
    elif torch.get_num_threads() > usable:
        advice = f"torch starts {torch.get_num_threads()}; export OMP_NUM_THREADS={usable}"
        yield Finding(NOTE, "threads", text, advice)
    else:
        yield Finding(GOOD, "threads", text)


def memory() -> Iterator[Finding]:
    """Look at the memory that is free."""
    free, whole = psutil.virtual_memory().available / GB, psutil.virtual_memory().total / GB
    small = free < MEMORY
    advice = f"a tomogram of 184 x 630 x 630 voxels takes about {MEMORY:g} GB; end other programs, or crop tomograms"
    yield Finding(NOTE if small else GOOD, "memory", f"{free:.1f} of {whole:.1f} GB free", advice if small else "")


def disk() -> Iterator[Finding]:
    """Look at the folders that are written to."""
    places = {
        "this folder": Path.cwd(),
        "cache": Path(platformdirs.user_cache_dir(PROJECT)),
        "temporary": Path(tempfile.gettempdir()),
    }
    for name, folder in places.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(there).free / GB
        if not os.access(there, os.W_OK):
            yield Finding(
                BAD, "disk", f"{name} {folder} cannot be written", "work in another folder, or ask for rights"
            )
        elif free < DISK:
            yield Finding(BAD, "disk", f"{name} {folder} has {free:.1f} GB free", f"make room: {DISK:g} GB are needed")
        else:
            yield Finding(GOOD, "disk", f"{name} {folder}, {free:.0f} GB free")


def offline() -> Iterator[Finding]:
    """Say that nothing needs a network."""
    yield Finding(GOOD, "network", "no command needs one, once the packages are installed")


def weights() -> Iterator[Finding]:
    """Look at the shipped weights."""
    from submissions.prediction.shipped import shipped_run

    try:
        run = shipped_run()
    except InputError as error:
        yield Finding(BAD, "weights", str(error), "get the project's files anew")
        return
    yield Finding(GOOD, "weights", f"{', '.join(run.members)} in {SHIPPED}, know {len(run.particles)} species")
