"""A member's output, of whichever kind -> candidates."""

from collections.abc import Sequence

import pandas as pd

from models.outputs import ClassMaps, SliceBoxes
from postproc.linking import link_boxes
from postproc.peaks import map_candidates
from tomograms.masks import held_by
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram


def to_candidates(
    output: ClassMaps | SliceBoxes,
    particles: Sequence[Particle],
    voxel_size: float,
    *,
    experiment: str,
    member: str,
    model: str,
) -> pd.DataFrame:
    """Return the candidates of one tomogram; ``voxel_size`` in Å, the last three are written into the rows."""
    if isinstance(output, ClassMaps):
        return map_candidates(output, particles, voxel_size, experiment=experiment, member=member, model=model)
    return link_boxes(output, particles, voxel_size, experiment=experiment, member=member, model=model)


def within_mask(table: pd.DataFrame, tomogram: Tomogram) -> pd.DataFrame:
    """Return those of a tomogram's candidates that lie in its mask, if it has one."""
    if tomogram.mask is None:
        return table
    position = table[["x", "y", "z"]].to_numpy()
    return table[held_by(tomogram.mask, position, tomogram.voxel_size)].reset_index(drop=True)
