"""A classical picker without any learning: what the phantom must be too hard for."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, maximum_filter

from postproc.candidates import concatenate, make_candidates
from tomograms.coordinates import to_angstrom
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram


def blobs(tomogram: Tomogram, particles: Sequence[Particle], *, factor: float) -> pd.DataFrame:
    """Return maxima of the difference of Gaussians of the inverted volume, at each species' scale.

    A ball of radius r answers most at sigma = r / sqrt(3); ``factor`` shifts that scale, for those that are not balls.
    """
    dark = np.maximum(-tomogram.volume, -3).clip(max=6)
    tables = []
    for particle in particles:
        sigma = factor * particle.radius / tomogram.voxel_size / 3**0.5
        answer = gaussian_filter(dark, sigma) - gaussian_filter(dark, 1.6 * sigma)
        size = 2 * max(1, round(0.6 * particle.radius / tomogram.voxel_size)) + 1
        peaks = np.argwhere((answer == maximum_filter(answer, size)) & (answer > 0))
        order = np.argsort(-answer[tuple(peaks.T)])[:300]
        position = to_angstrom(peaks[order], tomogram.voxel_size)
        scores = answer[tuple(peaks[order].T)]
        tables.append(
            make_candidates(tomogram.name, particle.name, position, scores, member="blobs", model=f"{factor:g}")
        )
    return concatenate(tables)
