"""Weights that a training starts from: which they are, and how they get into a network."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from models.initial import PRETRAINED, find_initial
from models.weights import load_weights, parse_card, read_card
from tomograms.errors import InputError
from tomograms.particles import Particle


def initial_weights(member: str, settings: Any, identity: Sequence[str], *, local: Path | None = None) -> Path | None:
    """Return the file to start from; ``None``, with a warning where weights were asked for, for a start from scratch.

    Parameters
    ----------
    member
        Its name.
    settings
        Its settings; ``init`` says what is asked for (see `models.initial.find_initial`).
    identity
        The settings that weights belong to: the shipped ones are taken where these are the same.
    local
        A file that is taken where the shipped ones are not.

    Raises
    ------
    InputError
        If a path is given and no file is there.
    """
    path = find_initial(member, settings.init)
    if settings.init != PRETRAINED:
        return path
    if path is not None:
        shipped, _ = parse_card(read_card(path), member, path)
        if all(shipped[name] == getattr(settings, name) for name in identity):
            return path
    if local is not None and local.is_file():
        return local
    wanted = ", ".join(f"{name} {getattr(settings, name)}" for name in identity)
    beside = f", and no {local} lies in the working folder" if local else ""
    warnings.warn(f"{member}: no shipped weights have {wanted}{beside}, so it starts from scratch", stacklevel=2)
    return None


def start_from(
    path: Path,
    network: torch.nn.Module,
    particles: Sequence[Particle],
    *,
    class_axes: Callable[[str], Sequence[int]],
    background: bool,
) -> None:
    """Put the weights of a file into an untrained network, class by class; see `transfer`.

    Parameters
    ----------
    particles
        The species that the network is for.
    background
        Whether channel 0 is the background, a class like any other.

    Raises
    ------
    InputError
        If the file is damaged, or of another network.
    """
    state, card = load_weights(path)
    first = [""] if background else []
    _, trained = parse_card(card, card.get("member", ""), path)
    old = [*first, *(particle.name for particle in sorted(trained, key=lambda p: p.label))]
    new = [*first, *(particle.name for particle in sorted(particles, key=lambda p: p.label))]
    fresh = network.state_dict()
    network.load_state_dict(transfer(state, fresh, old=old, new=new, class_axes=class_axes, path=path))


def transfer(
    state: Mapping[str, torch.Tensor],
    fresh: Mapping[str, torch.Tensor],
    *,
    old: Sequence[str],
    new: Sequence[str],
    class_axes: Callable[[str], Sequence[int]],
    path: Path,
) -> dict[str, torch.Tensor]:
    """Return the weights of ``fresh`` with those of ``state`` put in, classes matched by their names.

    Parameters
    ----------
    state
        Pretrained tensors by name.
    fresh
        Tensors of the network that will be trained; what a class needs that ``state`` does not know stays as here.
    old, new
        Class names of the two, in the order of their channels.
    class_axes
        Gives the axes of a tensor that run over classes, by the tensor's name.
    path
        Of ``state``, for messages.

    Raises
    ------
    InputError
        If the two are not the same architecture.
    """
    if set(state) != set(fresh):
        name = min(set(state) ^ set(fresh))
        raise InputError(f"{path}: expected weights of the network that is trained, but {name} is only in one of them")
    shared = [name for name in new if name in old]
    source = torch.tensor([list(old).index(name) for name in shared], dtype=torch.int64)
    target = torch.tensor([list(new).index(name) for name in shared], dtype=torch.int64)
    out = {}
    for name, value in fresh.items():
        given = state[name].to(value.dtype)
        axes = tuple(class_axes(name))
        expected = [len(old) if axis in axes else n for axis, n in enumerate(value.shape)]
        if list(given.shape) != expected:
            raise InputError(f"{path}: expected {name} with shape {tuple(expected)}, but got {tuple(given.shape)}")
        if not axes or list(old) == list(new):
            out[name] = given.clone()
            continue
        for axis in axes:
            given = given.index_select(axis, source)
        out[name] = value.clone()
        if len(axes) == 1:
            out[name].index_copy_(axes[0], target, given)
        else:
            out[name][target[:, None], target[None, :]] = given
    return out
