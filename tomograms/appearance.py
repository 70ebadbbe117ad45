"""What a tomogram looks like to a network, in a few figures, and whether that is like others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from tomograms.tables import some_of
from tomograms.tomogram import Tomogram, sampling_step

SKEWED = 0.1
"""A skewness beyond which the sign of the contrast can be told: white noise of this many voxels has below 0.01."""
FACTOR = 1.5
"""By which a figure may lie outside those of the other tomograms; tomograms of one series differ by 1.1."""
WORDS = {
    "dark": "darkest percent, robust deviations",
    "bright": "brightest percent, robust deviations",
    "fine": "part of the variation that is finer than 2 voxels",
    "thickness": "thickness in Å",
}
"""Of the figures, for messages."""


@dataclass(frozen=True)
class Appearance:
    """Figures of a normalised tomogram.

    Attributes
    ----------
    skewness
        Of the grey levels, after averaging over 2 x 2 x 2 voxels: below 0 where particles are dark.
    dark, bright
        Magnitudes of the percentiles 1 and 99, in robust deviations: how far particles and gold stand out.
    coarse
        Standard deviation after averaging over 2 x 2 x 2 voxels by that before: 0.35 for white noise, near 1 where
        nothing is finer than that.
    thickness
        Å along z.
    """

    skewness: float
    dark: float
    bright: float
    coarse: float
    thickness: float


def appearance(tomogram: Tomogram) -> Appearance:
    """Return the figures of a tomogram, from at most about a million places; blank voxels (0) are left out."""
    volume = tomogram.volume
    step = sampling_step(volume)
    sample = volume[::step, ::step, ::step]
    blocks = sum(
        volume[
            z : volume.shape[0] - 1 + z : step, y : volume.shape[1] - 1 + y : step, x : volume.shape[2] - 1 + x : step
        ]
        for z in (0, 1)
        for y in (0, 1)
        for x in (0, 1)
    )
    fine, coarse = _filled(sample), _filled(np.asarray(blocks) / 8)
    low, high = np.percentile(fine, (1, 99))
    centred = coarse - coarse.mean()
    spread = float(np.sqrt((centred**2).mean()))
    return Appearance(
        skewness=float((centred**3).mean() / spread**3) if spread else 0.0,
        dark=abs(float(low)),
        bright=abs(float(high)),
        coarse=spread / float(fine.std()) if fine.std() else 0.0,
        thickness=volume.shape[0] * tomogram.voxel_size,
    )


def _filled(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the values that are not 0, or all if none is left."""
    some = values[values != 0]
    return (some if some.size else values.ravel()).astype(np.float64)


def unlike(one: Appearance, others: Sequence[Appearance]) -> str:
    """Return in words, with figures, what sets a tomogram apart from others; empty if nothing does."""
    if not others:
        return ""
    words = []
    skews = [other.skewness for other in others]
    usual = float(np.median(skews))
    if min(abs(usual), abs(one.skewness)) > SKEWED and usual * one.skewness < 0:
        words.append(f"contrast inverted (skewness {one.skewness:+.2f}, there {min(skews):+.2f} to {max(skews):+.2f})")
    figures, *rest = (_figures(some) for some in (one, *others))
    for name, value in figures.items():
        known = sorted(other[name] for other in rest)
        if not known[0] / FACTOR <= value <= known[-1] * FACTOR:
            words.append(f"{WORDS[name]} {value:.4g} (there {known[0]:.4g} to {known[-1]:.4g})")
    return ", ".join(words)


def bright_ones(found: Mapping[str, Appearance]) -> str:
    """Return a sentence where tomograms by name look as if their particles were bright; empty if none do."""
    bright = {name: one.skewness for name, one in found.items() if one.skewness > SKEWED}
    if not bright:
        return ""
    others = "" if len(bright) == len(found) else f", and not in the other {len(found) - len(bright)}"
    return (
        f"contrast inverted, with bright particles where dark ones are expected (skewness above {SKEWED:g}), in "
        f"{some_of(f'{name}: {value:+.2f}' for name, value in bright.items())}{others}"
    )


def _figures(one: Appearance) -> dict[str, float]:
    """Return what is compared by its size: of the variation the finer part, which smoothing takes away."""
    figures = asdict(one)
    del figures["skewness"]
    coarse = figures.pop("coarse")
    return {**figures, "fine": max(0.0, 1 - coarse**2) ** 0.5}
