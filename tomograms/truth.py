"""The truth of one run: the pick sets that are meant, checked and joined."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tomograms.errors import InputError
from tomograms.particles import Particle, by_name
from tomograms.pick_checks import check_inside
from tomograms.picks import NEAR, PickSet, join_truth, make_truth
from tomograms.volume import Volume


def truth_of(run: str, chosen: Iterable[PickSet], particles: Sequence[Particle], volume: Volume) -> pd.DataFrame:
    """Return the picks of some pick sets of a run as one table: ``experiment, particle_type, x, y, z`` (Å).

    Raises
    ------
    InputError
        If one is of an undeclared species or holds a pick outside the volume, or several sets of a species differ.
    """
    known, tables = by_name(particles), []
    sets = [replace(s, position=s.position * _unit(s, volume)) for s in chosen]
    for name in sorted({pick_set.particle_type for pick_set in sets}):
        pick_set, *others = [s for s in sets if s.particle_type == name]
        if name not in known:
            raise InputError(f"{pick_set.source}: expected one of the species {', '.join(known)}, but got {name}")
        if any(not np.array_equal(other.position, pick_set.position) for other in others):
            whose = ", ".join(f"{s.user or '-'}/{s.session or '-'}" for s in [pick_set, *others])
            raise InputError(
                f"{pick_set.source}: expected one set of picks of {name}, but got {whose} (user/session); "
                "choose by user and session"
            )
        check_inside(pick_set, known[name], volume)
        tables.append(make_truth(run, name, pick_set.position))
    return join_truth(tables)


def _unit(pick_set: PickSet, volume: Volume) -> float:
    """Return Å per unit of positions; a voxel size that a file tells only roughly (`NEAR`) is the volume's own."""
    if not pick_set.voxels:
        return 1.0
    told = pick_set.voxel_size or volume.voxel_size
    return volume.voxel_size if abs(told / volume.voxel_size - 1) < NEAR else told
