"""Everything that differs between samples and microscopes: ranges in one dataclass, from which each tomogram draws."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from tomograms.errors import InputError

Range = tuple[float, float]
REFERENCE_SHAPE = (184, 630, 630)
REFERENCE_VOXEL_SIZE = 10.012444

CZII_COUNTS: Mapping[str, Range] = {
    "apo-ferritin": (35, 95),
    "beta-amylase": (9, 21),
    "beta-galactosidase": (11, 24),
    "ribosome": (23, 74),
    "thyroglobulin": (28, 49),
    "virus-like-particle": (9, 29),
}
"""True particles in a training tomogram of the competition (smallest and largest of seven)."""


@dataclass(frozen=True)
class Settings:
    """Ranges (low, high); every tomogram draws each of them once, uniformly.

    Numbers of objects are those of a volume of 184 x 630 x 630 voxels of 10.012 Å; other volumes get as many as their
    size asks for.

    Attributes
    ----------
    voxel_size
        Å.
    counts
        Particles of each species.
    other_count
        Particles of a species that ``counts`` does not name.
    distractors, vesicles, gold
        Unlabelled proteins, lipid vesicles and gold beads.
    lumps
        Contamination: irregular solid bodies, of ice or of protein that has aggregated.
    absent
        Chance that a species is missing from a tomogram.
    crowding
        Factor on the numbers of particles and distractors.
    clustering
        Fraction of the particles that are placed beside another one.
    vesicle_radius, gold_radius, lump_radius
        Å; drawn for each object.
    thickness
        Of the ice, Å: where particles are, and how many electrons are lost.
    half_range, step
        The tilt series: from ``-half_range`` to ``half_range`` degrees, in steps of ``step`` degrees.
    dose
        Electrons per Å² over the whole series, times the camera's efficiency.
    defocus, defocus_jitter
        Underfocus in µm, and its standard deviation between tilts.
    amplitude_contrast
        Fraction.
    misalignment, angle_error
        What is left of it: standard deviations per tilt, in voxels and degrees.
    contrast
        Factor on the particles' scattering.
    tilt_weighting
        Exponent of the cosine that weights a tilt in the reconstruction.
    correction
        How far the contrast transfer function is corrected: 0 not at all, 1 by a Wiener filter.
    resolution
        Where the denoised look has lost half of the amplitude, Å.
    denoising
        How much of the noise where nothing is, and of the bright fringes around matter, is taken away: 0 to 1.
    """

    voxel_size: float = REFERENCE_VOXEL_SIZE
    counts: Mapping[str, Range] = field(default_factory=lambda: CZII_COUNTS)
    other_count: Range = (15, 50)
    distractors: Range = (400, 900)
    vesicles: Range = (38, 58)
    gold: Range = (0, 2)
    crowding: Range = (1.0, 1.0)
    clustering: Range = (0.2, 0.6)
    vesicle_radius: Range = (150, 450)
    gold_radius: Range = (25, 60)
    thickness: Range = (1400, 1900)
    half_range: Range = (44, 54)
    step: Range = (2.5, 3.5)
    dose: Range = (100, 130)
    defocus: Range = (2.8, 3.8)
    defocus_jitter: Range = (0.0, 0.15)
    amplitude_contrast: Range = (0.07, 0.10)
    misalignment: Range = (0.1, 0.5)
    angle_error: Range = (0.0, 0.3)
    contrast: Range = (0.85, 1.0)
    tilt_weighting: Range = (1.0, 2.0)
    correction: Range = (0.65, 1.0)
    resolution: Range = (25, 40)
    denoising: Range = (0.3, 0.4)
    lumps: Range = (0, 0)
    lump_radius: Range = (80, 350)
    absent: Range = (0, 0)

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        InputError
            If a range is upside down, negative, or leaves no tomogram to be made.
        """
        if not self.voxel_size > 0:
            raise InputError(f"simulator: expected a voxel size above 0 Å, but got {self.voxel_size}")
        ranges = {name: getattr(self, name) for name in _RANGES} | {f"counts of {n}": r for n, r in self.counts.items()}
        for name, (low, high) in ranges.items():
            if not 0 <= low <= high:
                raise InputError(f"simulator: expected {name} as 0 <= low <= high, but got {low:g}, {high:g}")
        for name in (
            "thickness",
            "half_range",
            "step",
            "dose",
            "resolution",
            "vesicle_radius",
            "gold_radius",
            "lump_radius",
        ):
            if not ranges[name][0] > 0:
                raise InputError(f"simulator: expected {name} above 0, but got {ranges[name][0]:g}")
        if self.absent[1] > 1:
            raise InputError(f"simulator: expected absent as a chance, at most 1, but got {self.absent[1]:g}")
        if self.half_range[1] >= 85:
            raise InputError(f"simulator: expected half_range below 85 degrees, but got {self.half_range[1]:g}")


_RANGES = tuple(f.name for f in fields(Settings) if f.name not in ("voxel_size", "counts"))


@dataclass(frozen=True)
class Conditions:
    """One draw from `Settings`: the conditions of one tomogram (same names, same units)."""

    crowding: float
    clustering: float
    thickness: float
    half_range: float
    step: float
    dose: float
    defocus: float
    defocus_jitter: float
    amplitude_contrast: float
    misalignment: float
    angle_error: float
    contrast: float
    tilt_weighting: float
    correction: float
    resolution: float
    denoising: float


def draw(settings: Settings, rng: np.random.Generator) -> Conditions:
    """Return one draw from the ranges."""
    return Conditions(**{f.name: float(rng.uniform(*getattr(settings, f.name))) for f in fields(Conditions)})


CZII_LIKE = Settings()
"""A tomogram as the competition's are."""

TRAINING = Settings(
    distractors=(100, 700),
    vesicles=(0, 60),
    gold=(0, 12),
    crowding=(3.0, 8.0),
    clustering=(0.2, 0.6),
    vesicle_radius=(150, 450),
    gold_radius=(25, 60),
    thickness=(1000, 1900),
    half_range=(40, 60),
    step=(3.0, 5.0),
    dose=(20, 130),
    defocus=(1.5, 4.5),
    defocus_jitter=(0.0, 0.15),
    amplitude_contrast=(0.06, 0.12),
    misalignment=(0.1, 0.7),
    angle_error=(0.0, 0.4),
    contrast=(0.7, 1.2),
    tilt_weighting=(1.0, 2.0),
    correction=(0.0, 1.0),
    resolution=(20, 45),
    denoising=(0.0, 0.92),
    lumps=(0, 25),
    lump_radius=(80, 350),
    absent=(0.0, 0.8),
)
"""Wider, and mostly more crowded than any tomogram, so that few crops are empty: for networks to start from.

Species are missing from many of these tomograms, and some hold contamination: what lies there must not become a pick.

Every range that is drawn from is written out, so that this one stays what shipped weights have seen.
"""
