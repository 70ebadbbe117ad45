"""Colours of species: one for each, the same in every picture, bright enough for grey slices."""

from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.colors import to_hex

from tomograms.particles import Particle

BRIGHT = ("#56B4E9", "#7070FF", "#E69F00", "#F0E442", "#60F0A8", "#D86090", "#F04830", "#FFFFFF")
"""Three of Okabe and Ito's, and others that colour-blind people tell from them; a dark rim lifts each off any grey."""


def species_colours(particles: Sequence[Particle]) -> dict[str, str]:
    """Return a colour for each species by name, as ``#rrggbb``; all differ."""
    names = [particle.name for particle in particles]
    if len(names) <= len(BRIGHT):
        return dict(zip(names, BRIGHT, strict=False))
    wheel = colormaps["turbo"]
    return {name: to_hex(wheel(0.1 + 0.85 * k / (len(names) - 1))) for k, name in enumerate(names)}
