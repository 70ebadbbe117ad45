"""Where exported picks come from."""

from dataclasses import dataclass
from pathlib import Path

from tomograms.files import sha256


@dataclass(frozen=True)
class Provenance:
    """Where picks come from; written into every export.

    Attributes
    ----------
    user, session
        Under which the picks stand (or would stand) in a copick project.
    tomogram_type
        ``denoised``, ``wbp``, ...
    run
        The cross-validation that trained the members.
    ensemble
        First twelve digits of the SHA-256 of its ``ensemble.json``.
    simulated
        Whether the tomograms are simulated.
    """

    user: str
    session: str
    tomogram_type: str
    run: str
    ensemble: str
    simulated: bool


def ensemble_version(path: Path) -> str:
    """Return what identifies an ``ensemble.json``: the first twelve digits of its SHA-256."""
    return sha256(path)[:12]
