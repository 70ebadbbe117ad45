"""What a YOLO training starts from."""

import json
import warnings
from pathlib import Path

from models.initial import PRETRAINED, find_initial
from models.weights import read_card
from models.yolo.settings import YoloSettings


def find_weights(settings: YoloSettings) -> Path | None:
    """Return the file to start from: ours (safetensors) or Ultralytics' (``.pt``); ``None`` for a start from scratch.

    ``pretrained`` is the shipped weights where they are of the network that is trained, else ``NETWORK.pt`` of the
    working folder, else, with a warning, a start from scratch.

    Raises
    ------
    InputError
        If a path is given and no file is there.
    """
    path = find_initial("yolo", settings.init)
    if settings.init != PRETRAINED:
        return path
    if path is not None and json.loads(read_card(path)["settings"])["network"] == settings.network:
        return path
    local = Path(f"{settings.network}.pt")
    if local.is_file():
        return local
    warnings.warn(
        f"yolo: no shipped weights are of {settings.network}, and no {local} lies in the working folder, "
        "so it starts from scratch",
        stacklevel=2,
    )
    return None
