"""Weights on disk: safetensors with a JSON card in the header; nothing is ever unpickled."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from tomograms.errors import InputError
from tomograms.files import replacing
from tomograms.particles import Particle, from_records, to_records

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def header(member: str, settings: DataclassInstance, particles: Sequence[Particle]) -> dict[str, str]:
    """Return what a weights file says about its network: member, settings and species, each as text."""
    return {
        "member": member,
        "settings": json.dumps(asdict(settings), sort_keys=True),
        "particles": json.dumps(to_records(particles)),
    }


def save_weights(
    path: Path, state: Mapping[str, torch.Tensor], metadata: Mapping[str, str], *, half: bool = False
) -> None:
    """Write the tensors and the card atomically; ``half`` rounds to fp16, for files that are shipped."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    if half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, dict(metadata)))  # save_file has no error of its own for a full disk


def load_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors (on the CPU) and the card.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    with _opened(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118


def read_card(path: Path) -> dict[str, str]:
    """Return only the card; errors as in `load_weights`."""
    with _opened(path) as file:
        return file.metadata() or {}


def parse_card(card: Mapping[str, str], member: str, path: Path) -> tuple[dict[str, Any], tuple[Particle, ...]]:
    """Return the settings (lists as tuples) and the species that a weights file's card tells.

    Raises
    ------
    InputError
        If it tells none, or is another member's.
    """
    try:
        if card["member"] != member:
            raise InputError(f"{path}: expected weights of a {member} member, but got those of {card['member']}")
        settings = json.loads(card["settings"])
        particles = from_records(json.loads(card["particles"]))
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: expected the card of a {member} member, but got {error!r}") from None
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}, particles


def check_weights(path: Path) -> None:
    """Refuse a file to start from that is no weights file, before hours are spent on what does not need it.

    Raises
    ------
    InputError
        If it is neither a complete safetensors file nor, where it is called ``.pt``, a complete zip file.
    """
    with path.open("rb") as file:
        start = file.read(100).lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: expected weights, but got a pointer of Git LFS; git lfs pull brings the file itself")
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{path}: expected weights, but got a web page; was the download refused?")
    if path.suffix != ".pt":
        read_card(path)
    elif not zipfile.is_zipfile(path):
        raise InputError(f"{path}: expected a complete checkpoint of Ultralytics, but got {path.stat().st_size} bytes")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: expected a complete safetensors file, but it cannot be read ({error})") from None


def fill(network: torch.nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Load the tensors into the network.

    Raises
    ------
    InputError
        If a tensor is missing, left over, or of another shape.
    """
    try:
        network.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{path}: expected weights of the network that its card describes, but {first}") from None
