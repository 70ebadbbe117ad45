"""The shipped weights as a run: with ``run.json`` and ``ensemble.json`` beside them they predict as any run does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensemble.ensemble import FILE
from evaluation.run_directory import RunDirectory, open_run
from models.initial import SHIPPED as FOLDER
from models.registry import MEMBERS
from models.weights import parse_card, read_card
from submissions.prediction.final import SHIPPED, model_folders
from submissions.prediction.store import weights_key
from tomograms.errors import InputError
from tomograms.files import read_json
from tomograms.particles import Particle
from tomograms.program import command_line


@dataclass(frozen=True)
class Weights:
    """The weights of several members, one folder a member.

    Attributes
    ----------
    path
        The folder.
    members
        Settings by member, as they were pre-trained.
    particles
        The species that all of them know.
    """

    path: Path
    members: Mapping[str, Mapping[str, Any]]
    particles: tuple[Particle, ...]


def find_weights(path: Path, wanted: Sequence[str] | None = None) -> Weights:
    """Return the weights that lie in a folder, as `models.pretrain` writes them.

    Parameters
    ----------
    path
        The folder.
    wanted
        Members; by default all that lie there.

    Raises
    ------
    InputError
        If there are none, one is missing or damaged, or two know different species.
    """
    members: dict[str, Mapping[str, Any]] = {}
    species: dict[str, tuple[Particle, ...]] = {}
    for member in sorted(wanted or MEMBERS):
        file = path / member / "weights.safetensors"
        if file.exists():
            members[member], species[member] = parse_card(read_card(file), member, file)
        elif wanted:
            raise InputError(f"{path / member}: expected weights.safetensors of {member}, but there is no such file")
    if not members:
        raise InputError(f"{path}: expected a folder MEMBER with weights.safetensors of {', '.join(MEMBERS)}")
    if len(set(species.values())) > 1:
        raise InputError(f"{path}: expected weights of the same species, but {', '.join(members)} know different ones")
    return Weights(path, members, next(iter(species.values())))


def shipped_run(path: Path = FOLDER) -> RunDirectory:
    """Return a folder of weights as a run.

    Raises
    ------
    InputError
        If the weights have not been calibrated, or are no longer those that were.
    """
    maker = command_line("submissions.calibrate", options=[("--weights", path)])
    if not path.is_dir():
        raise InputError(f"{path}: no such folder of weights")
    if not (path / FILE).exists():
        raise InputError(f"{path / FILE}: no such file; {maker} makes it")
    run = open_run(path)
    for member, digest in read_json(path / FILE).get("weights", {}).items():
        if weights_key(model_folders(run, member, SHIPPED)) != {f"{SHIPPED}/{member}": digest}:
            raise InputError(
                f"{path / FILE}: expected the weights of {member} that it was calibrated on, but they have changed; "
                f"{maker} makes it anew"
            )
    return run
