"""Which densities a simulation uses: the built-in models, or a user's own maps and structures."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.simulator.densities import Species, from_beads
from tomograms.simulator.structures import MODELS, built_in

MEASURED = 0.7
"""Share of the tomograms of a pre-training that show measured densities, where there are any."""
MOST_OTHERS = 8
"""Kinds of unlabelled molecules in one tomogram."""
MAP_MASS = 0.7
"""Median of the factor on a map's mass. Maps at 10 Å blur a molecule: scaled to the density of protein inside, six
molecules of known mass come out 1.1 to 2.3 times as heavy as they are."""
MAP_DOUBT = 0.25
"""Standard deviation of the factor's logarithm."""


def built_in_species(particles: Sequence[Particle], voxel_size: float) -> tuple[Species, ...]:
    """Return the built-in densities of the particles.

    Raises
    ------
    InputError
        If a particle has no built-in model.
    """
    missing = [p.name for p in particles if p.name not in MODELS]
    if missing:
        raise InputError(
            f"simulator: expected species among {', '.join(MODELS)}, but got {', '.join(missing)}; give maps"
        )
    return tuple(_built_in(p.name, voxel_size) for p in particles)


def varied_species(particles: Sequence[Particle], voxel_size: float, rng: np.random.Generator) -> tuple[Species, ...]:
    """Return the same, with a variant of each species whose shape is not known well (see `structures.Model`)."""
    known = built_in_species(particles, voxel_size)
    return tuple(
        from_beads(species.name, built_in(species.name).variant(rng), voxel_size)
        if built_in(species.name).doubt
        else species
        for species in known
    )


def mixed_species(
    particles: Sequence[Particle],
    voxel_size: float,
    rng: np.random.Generator,
    *,
    measured: Sequence[Species],
    others: Sequence[Species] = (),
) -> tuple[Species, ...]:
    """Return measured densities or, for some tomograms, variants of the built-in ones, and unlabelled company.

    Parameters
    ----------
    measured
        One for each particle; they are taken for `MEASURED` of all tomograms.
    others
        Densities of other molecules, from which up to `MOST_OTHERS` are drawn; they are not labelled.
    """
    known = varied_species(particles, voxel_size, rng)
    if rng.uniform() < MEASURED:
        known = tuple(_scaled(species, species.name, rng) for species in measured)
    number = min(int(rng.integers(0, MOST_OTHERS + 1)), len(others))
    company = rng.choice(len(others), number, replace=False) if number else ()
    return (*known, *(_scaled(others[int(k)], "", rng) for k in company))


def _scaled(species: Species, name: str, rng: np.random.Generator) -> Species:
    """Return the density with another mass: maps tell the shape of a molecule and not how strongly it scatters."""
    factor = np.float32(np.exp(rng.normal(np.log(MAP_MASS), MAP_DOUBT)))
    return replace(species, name=name, density=species.density * factor)


@cache
def _built_in(name: str, voxel_size: float) -> Species:
    return from_beads(name, built_in(name).beads(), voxel_size)
