"""The sets of the panel: samples and microscopes that differ from each other as those of users do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tomograms.simulator.settings import CZII_LIKE, Settings

SHAPE = (48, 192, 192)
RUNS = tuple(f"PH_{n}" for n in range(1, 8))
"""As in the phantom, so that the shipped folds hold."""
BASE = replace(
    CZII_LIKE,
    distractors=(300, 700),
    vesicles=(10, 60),
    gold=(0, 10),
    crowding=(7.0, 11.0),
    counts={
        "apo-ferritin": (25, 100),
        "beta-amylase": (8, 24),
        "beta-galactosidase": (6, 30),
        "ribosome": (12, 60),
        "thyroglobulin": (12, 50),
        "virus-like-particle": (6, 30),
    },
)
"""About 2 to 10 beta-galactosidases a tomogram; what it leaves open is as in the competition."""


@dataclass(frozen=True)
class PanelSet:
    """One data set of the panel.

    Attributes
    ----------
    settings
        The simulator's.
    seed
        Of the simulation, and of the molecules' variant.
    measured
        Whether it shows measured densities (``--maps``); else one variant of the built-in ones.
    half
        ``choice``: rules may be chosen on it. ``report``: they are only reported on it.
    """

    settings: Settings
    seed: int
    measured: bool
    half: str


PANEL: Mapping[str, PanelSet] = {
    "sparse": PanelSet(replace(BASE, crowding=(3.0, 5.0)), 901, False, "choice"),
    "noisy": PanelSet(replace(BASE, dose=(22, 40), denoising=(0.0, 0.2), contrast=(0.6, 0.8)), 902, True, "choice"),
    "uneven": PanelSet(replace(BASE, crowding=(2.0, 14.0)), 903, False, "report"),
    "missing": PanelSet(replace(BASE, absent=(0.3, 0.5), contrast=(0.6, 0.8)), 904, True, "report"),
    "raw": PanelSet(replace(BASE, correction=(0, 0), denoising=(0, 0), dose=(60, 100)), 905, False, "choice"),
    "company": PanelSet(
        replace(BASE, distractors=(900, 1500), lumps=(20, 40), gold=(10, 30), contrast=(0.6, 0.8)), 906, True, "choice"
    ),
    "thick": PanelSet(
        replace(BASE, thickness=(2500, 3000), crowding=(10.0, 16.0), contrast=(0.6, 0.8), defocus=(4.8, 5.8)),
        907,
        False,
        "report",
    ),
    "few tilts": PanelSet(
        replace(BASE, half_range=(36, 42), step=(4, 5), misalignment=(0.6, 1.0), dose=(50, 90), contrast=(0.6, 0.8)),
        908,
        True,
        "report",
    ),
}
"""Choices are made on one half and reported on the other; each half has measured and built-in densities."""
