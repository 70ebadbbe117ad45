"""Colours of species: one for each, the same in every picture, bright enough for grey slices."""

from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.colors import to_hex

from tomograms.particles import Particle

BRIGHT = ("#56B4E9", "#B9A3FF", "#E69F00", "#F0E442", "#00C896", "#FF8FD0", "#FF6B35", "#FFFFFF")
"""After Okabe and Ito, whose colours colour-blind people can tell apart; on a dark rim each is seen on any grey."""


def species_colours(particles: Sequence[Particle]) -> dict[str, str]:
    """Return a colour for each species by name, as ``#rrggbb``; all differ."""
    names = [particle.name for particle in particles]
    if len(names) <= len(BRIGHT):
        return dict(zip(names, BRIGHT, strict=False))
    wheel = colormaps["turbo"]
    return {name: to_hex(wheel(0.1 + 0.85 * k / (len(names) - 1))) for k, name in enumerate(names)}
