"""Weights that a training starts from: the shipped ones, a user's own, or none. No torch here."""

from pathlib import Path

from tomograms.errors import InputError

PRETRAINED = "pretrained"
SCRATCH = "scratch"
SHIPPED = Path(__file__).parent / "shipped"
"""``MEMBER/weights.safetensors`` and ``MEMBER/card.json``, as `models.pretrain` writes them."""


def find_initial(member: str, init: str) -> Path | None:
    """Return the file to start from, ``None`` for a start from scratch.

    Parameters
    ----------
    member
        Its name.
    init
        ``pretrained`` (the shipped weights), ``scratch``, or a path: a weights file, or a folder that
        `models.pretrain` wrote.

    Raises
    ------
    InputError
        If a path is given and no weights are there.
    """
    if init == SCRATCH:
        return None
    if init == PRETRAINED:
        path = SHIPPED / member / "weights.safetensors"
        return path if path.is_file() else None
    given = Path(init)
    path = given / member / "weights.safetensors" if given.is_dir() else given
    if not path.is_file():
        raise InputError(f"{path}: expected weights for --init, but there is no such file")
    return path
