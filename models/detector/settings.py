"""Settings of the detector member and its presets. No torch here."""

from dataclasses import dataclass

from models.crop_settings import CropSettings, crop_presets, crop_rules
from models.settings import check_rules, in_range

STRIDE = 4
"""Tomogram voxels per voxel of the output."""
IDENTITY = ("filters", "blocks")
"""The settings that weights belong to."""


@dataclass(frozen=True)
class DetectorSettings(CropSettings):
    """Recipe of the detector.

    Attributes
    ----------
    focus
        Exponent of the focal loss: how little counts what is sure and right.
    offset_weight
        Weight of the offsets' loss, a mean distance in map voxels, beside the heat's.
    filters, blocks
        The network (`models.detector.network`).
    """

    learning_rate: float = 1e-3
    fine_rate: float = 2e-3
    focus: float = 2.0
    offset_weight: float = 0.5
    filters: int = 32
    blocks: tuple[int, ...] = (1, 2, 2)


PRESETS = crop_presets(DetectorSettings(), full_rate=1e-3)
FULL = PRESETS["full"]


def check_settings(settings: DetectorSettings) -> None:
    """Refuse values that cannot be trained with; see `models.member.Member.check`."""
    check_rules(
        "detector",
        settings,
        [
            *crop_rules(settings, 2 ** len(settings.blocks)),
            *in_range(settings, ("filters",), 0, above=True),
            *in_range(settings, ("focus", "offset_weight"), 0),
            *in_range(settings, ("blocks",), 1),
            ("blocks", len(settings.blocks) > 2, "three levels or more"),
        ],
    )
