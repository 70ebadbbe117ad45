"""Ultralytics, imported so that it stays offline, quiet, and out of the user's home."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tomograms.errors import InputError

if TYPE_CHECKING:
    import torch

# Read once, when ultralytics is first imported.
ENVIRONMENT = {
    "YOLO_OFFLINE": "true",  # no look-up of whether there is a network
    "YOLO_AUTOINSTALL": "false",  # no pip install of what it thinks is missing
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
}
INTEGRATIONS = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")


def import_ultralytics(directory: Path | None = None) -> None:
    """Import ultralytics; afterwards ``from ultralytics...`` is safe anywhere in the process.

    Parameters
    ----------
    directory
        Where its settings go; by default a temporary folder that is removed at once.
    """
    import torch  # before ultralytics, which sets OMP_NUM_THREADS to 1: torch must have read the user's value by then

    torch.get_num_threads()
    if "ultralytics" in sys.modules:
        _quieten()
    elif directory is None:
        with tempfile.TemporaryDirectory() as temporary:
            _import(Path(temporary))
    else:
        directory.mkdir(parents=True, exist_ok=True)
        _import(directory)


def _import(directory: Path) -> None:
    kept = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "NUMEXPR_MAX_THREADS")}
    printing = np.get_printoptions()
    os.environ.update(ENVIRONMENT, YOLO_CONFIG_DIR=str(directory))
    os.environ.setdefault("MPLCONFIGDIR", str(directory))  # its import may build matplotlib's font cache
    _quieten()
    np.set_printoptions(**printing)
    for name, value in kept.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _quieten() -> None:
    from ultralytics.utils import LOGGER, SETTINGS

    LOGGER.setLevel("ERROR")
    # In memory only: its own update would write the file again, wherever that lay.
    dict.update(SETTINGS, {"sync": False, **dict.fromkeys(INTEGRATIONS, False)})


def load_pretrained(path: Path) -> torch.nn.Module:
    """Return the network of a ``.pt`` file, read with Ultralytics' safe loading.

    Raises
    ------
    InputError
        If the file is damaged or holds anything but a known network, or the installed version has no safe loading.
    """
    from ultralytics import __version__
    from ultralytics.nn import tasks

    safe = getattr(tasks, "_SafeLoad", None)
    if safe is None or not safe.SUPPORTED:
        raise InputError(f"{path}: expected an ultralytics that loads foreign files safely, but got {__version__}")
    try:
        checkpoint, _ = tasks.torch_safe_load(str(path.resolve()), safe_only=True)
        network = checkpoint.get("ema") or checkpoint["model"]
        return network.float()
    except Exception as error:  # a foreign file can fail in any way, and each is the user's to mend
        first = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: expected an Ultralytics checkpoint, but it cannot be read safely ({first})"
        ) from None
