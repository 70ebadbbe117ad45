"""Tomograms as users bring them: all species, a few, one or none, clean or contaminated, in any density.

What a score is worth is learned from such a mixture. Where every tomogram holds every species, a score says nothing of
the tomograms that lack one.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tomograms.particles import Particle
from tomograms.simulator.settings import CZII_COUNTS, TRAINING, Range, Settings

CYCLE = ("every", "one", "few", "one", "none", "one")
"""What the tomograms hold, one after the other; each species is the only one in its turn."""
DENSITY = (1.0, 10.0)
"""Factor on the competition's numbers of particles; drawn on a log scale."""
CONTAMINANTS = (30.0, 3000.0)
"""Unlabelled proteins in a volume of the competition's size; drawn on a log scale."""
THICKNESS: Range = (900, 1900)
"""Of the ice, Å: a full tomogram is thicker, and holds nothing above and below."""


def mixed_settings(number: int, seed: int, particles: Sequence[Particle]) -> Settings:
    """Return the settings of the n-th tomogram of a mixture.

    Parameters
    ----------
    number
        Counts from 0.
    seed
        Of the mixture.
    particles
        Every species that may occur. Those that this tomogram lacks have the range (0, 0).
    """
    rng = np.random.default_rng((seed, number, 2))
    names = [particle.name for particle in particles]
    turn, place = divmod(number, len(CYCLE))
    if CYCLE[place] == "every":
        present = set(names)
    elif CYCLE[place] == "none":
        present = set()
    elif CYCLE[place] == "few":
        present = set(rng.choice(names, size=min(len(names), int(rng.integers(2, 4))), replace=False).tolist())
    else:
        present = {names[(turn * CYCLE.count("one") + CYCLE[:place].count("one")) % len(names)]}
    counts = {name: _times(name, _log_uniform(DENSITY, rng)) if name in present else (0.0, 0.0) for name in names}
    unlabelled = _log_uniform(CONTAMINANTS, rng)
    return replace(
        TRAINING,
        counts=counts,
        distractors=(unlabelled, unlabelled),
        crowding=(1.0, 1.0),
        clustering=(0.0, 0.9),
        vesicles=(0, 60),
        thickness=THICKNESS,
        absent=(0, 0),  # the cycle says who is missing
    )


def _times(name: str, factor: float) -> Range:
    low, high = CZII_COUNTS.get(name, Settings().other_count)
    return low * factor, high * factor


def _log_uniform(limits: Range, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))
