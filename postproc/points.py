"""Point maps -> candidates: peaks of each species' heat, each where its voxel says that the centre is."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.outputs import PointMaps
from postproc.peaks import Peaks, find_peaks, map_radius, peak_candidates
from tomograms.particles import Particle


def point_candidates(
    maps: PointMaps,
    particles: Sequence[Particle],
    voxel_size: float,
    *,
    experiment: str,
    member: str,
    model: str,
) -> pd.DataFrame:
    """Return the candidates of one tomogram.

    Per species: the logistic function, then what `postproc.peaks.map_candidates` does, but for the parabola.

    Parameters
    ----------
    maps
        Of one tomogram.
    particles
        Every species; the channel is ``label`` - 1.
    voxel_size
        Å per tomogram voxel.
    experiment, member, model
        Written into the rows.

    Returns
    -------
    pandas.DataFrame
        A candidates table; the score is the smoothed heat at the peak.
    """

    def found(particle: Particle) -> Peaks:
        heat = 1 / (1 + np.exp(-maps.logits[particle.label - 1].astype(np.float32)))
        return find_peaks(heat, map_radius(particle, maps, voxel_size), way=maps.offsets)

    return peak_candidates(
        map(found, particles), maps, particles, voxel_size, experiment=experiment, member=member, model=model
    )
