"""Which densities a simulation uses: the built-in models, or a user's own maps and structures."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.simulator.densities import Species, from_beads
from tomograms.simulator.structures import MODELS, built_in


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


@cache
def _built_in(name: str, voxel_size: float) -> Species:
    return from_beads(name, built_in(name).beads(), voxel_size)
