"""The members that can be named on the command line; each is imported only when it is used."""

from importlib import import_module

from models.member import Member
from tomograms.errors import InputError

MEMBERS = {
    "unet": "models.unet.member:UNetMember",
    "detector": "models.detector.member:DetectorMember",
    "yolo": "models.yolo.member:YoloMember",
}


def get_member(name: str) -> Member:
    """Return the member called ``name``.

    Raises
    ------
    InputError
        If no member has that name.
    """
    if name not in MEMBERS:
        raise InputError(f"--members: expected some of {', '.join(MEMBERS)}, but got {name!r}")
    module, attribute = MEMBERS[name].split(":")
    return getattr(import_module(module), attribute)()
