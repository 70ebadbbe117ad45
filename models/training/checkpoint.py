"""The state of a training on disk: a training that was cut off goes on as if nothing had happened."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from tomograms.errors import InputError
from tomograms.files import replacing


class Part(Protocol):
    """What has a state: a network, an optimiser, a scaler."""

    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102

    def load_state_dict(self, state: Any, /) -> Any: ...  # noqa: D102


def save_checkpoint(path: Path, parts: Mapping[str, Part], values: Mapping[str, Any]) -> None:
    """Write the parts' states and plain ``values`` atomically."""
    state = {"parts": {name: part.state_dict() for name, part in parts.items()}, "values": dict(values)}
    content = io.BytesIO()
    torch.save(state, content)  # whose own writing says nothing of a full disk
    with replacing(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_checkpoint(path: Path, parts: Mapping[str, Part], device: torch.device) -> dict[str, Any]:
    """Put the parts back into their saved states and return the values; nothing is unpickled but tensors.

    Raises
    ------
    InputError
        If the checkpoint is damaged, or of other parts.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
        return dict(state["values"])
    except Exception as error:  # torch raises many kinds of errors on a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: expected a complete checkpoint, but it cannot be read ({reason}); delete it to start over"
        ) from None
