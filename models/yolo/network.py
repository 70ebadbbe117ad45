"""YOLO11's network: as it learns, what it starts from, and what its raw predictions mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from compute.precision import autocast
from models.training.transfer import initial_weights, start_from
from models.yolo.runtime import DetectionModel, __version__, make_anchors, torch_safe_load
from models.yolo.settings import YoloSettings
from tomograms.errors import InputError
from tomograms.particles import Particle

BACKBONE = 11
"""Of YOLO11's modules, the first ones."""


class SliceModel(DetectionModel):
    """Ultralytics' network, computing in ``dtype``; boxes and loss stay in float32: corners need its digits."""

    dtype = torch.float32

    def loss(self, batch: dict[str, Any], preds: Any = None) -> Any:
        """Return the loss and its parts."""
        if preds is None:
            preds = self._finite(batch["img"].contiguous(memory_format=torch.channels_last))
        with torch.autocast(batch["img"].device.type, enabled=False):
            return super().loss(batch, exact(preds))

    def _finite(self, images: torch.Tensor) -> Any:
        # What overflows in fp16 is computed again in fp32, and leaves no trace in the running statistics.
        if self.dtype != torch.float16:
            with autocast(images.device, self.dtype):
                return self.forward(images)
        kept = [buffer.clone() for buffer in self.buffers()]
        with autocast(images.device, self.dtype):
            predictions = self.forward(images)
        if all_finite(predictions):
            return predictions
        for buffer, old in zip(self.buffers(), kept, strict=True):
            buffer.copy_(old)
        with torch.autocast(images.device.type, enabled=False):
            return self.forward(images.float())


def build_network(name: str, classes: int, *, kind: type[DetectionModel] = DetectionModel) -> Any:
    """Return the untrained network of Ultralytics' architecture ``name``, for images of three channels."""
    return kind(f"{name}.yaml", ch=3, nc=classes, verbose=False)


def exact(predictions: Any) -> Any:
    """Return a head's raw predictions in float32: in bf16 a corner at pixel 200 would be rounded to a whole pixel."""
    if isinstance(predictions, dict):
        return {name: exact(value) for name, value in predictions.items()}
    if isinstance(predictions, (list, tuple)):
        return type(predictions)(exact(value) for value in predictions)
    return predictions.float()


def all_finite(predictions: Any) -> bool:
    """Return whether all of a head's raw predictions are finite."""
    if isinstance(predictions, dict):
        return all_finite(list(predictions.values()))
    if isinstance(predictions, (list, tuple)):
        return all(all_finite(value) for value in predictions)
    return bool(torch.isfinite(predictions).all())


def decode(head: Any, raw: dict[str, Any]) -> torch.Tensor:
    """Return boxes (centre x, y, width, height in pixels) and class scores ``(image, 4 + class, anchor)``.

    Parameters
    ----------
    head
        The network's last module.
    raw
        What it predicts in training, in float32.
    """
    anchors, strides = (part.transpose(0, 1) for part in make_anchors(raw["feats"], head.stride, 0.5))
    boxes = head.decode_bboxes(head.dfl(raw["boxes"]), anchors.unsqueeze(0)) * strides
    return torch.cat((boxes, raw["scores"].sigmoid()), 1)


def class_axes(name: str) -> tuple[int, ...]:
    """Return the axes of a tensor, by its name, that run over the classes."""
    head, _, rest = name.partition(".cv3.")
    return (0,) if head == "model.23" and rest.split(".")[1:2] == ["2"] and len(rest.split(".")) == 3 else ()


def find_weights(settings: YoloSettings) -> Path | None:
    """Return the file to start from: ours (safetensors) or Ultralytics' (``.pt``); see `initial_weights`.

    ``pretrained`` is the shipped weights where they are of the network that is trained, else ``NETWORK.pt`` of the
    working folder.
    """
    return initial_weights("yolo", settings, ("network",), local=Path(f"{settings.network}.pt"))


def start_network(network: Any, path: Path, particles: Sequence[Particle]) -> None:
    """Put the weights of a file into an untrained network: ours by class, of Ultralytics' whatever has its shape.

    Raises
    ------
    InputError
        If the file is damaged, or of another network.
    """
    if path.suffix == ".pt":
        network.load(load_pretrained(path), verbose=False)
    else:
        start_from(path, network, particles, class_axes=class_axes, background=False)


def load_pretrained(path: Path) -> torch.nn.Module:
    """Return the network of a ``.pt`` file, read with Ultralytics' safe loading.

    Raises
    ------
    InputError
        If the file is damaged or holds anything but a known network, or the installed torch has no safe loading.
    """
    if not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"):  # ultralytics would then unpickle it
        raise InputError(f"{path}: expected a torch that loads foreign files safely, but got {torch.__version__}")
    try:
        checkpoint, _ = torch_safe_load(str(path.resolve()), safe_only=True)
        network = checkpoint.get("ema") or checkpoint["model"]
        return network.float()
    except Exception as error:  # a foreign file can fail in any way, and each is the user's to mend
        first = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: expected a checkpoint of Ultralytics (here {__version__}), but it cannot be read safely ({first})"
        ) from None
