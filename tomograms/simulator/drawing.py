"""Slices of a tomogram with its truth drawn on."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from tomograms.coordinates import to_index
from tomograms.errors import InputError
from tomograms.files import replacing
from tomograms.particles import CZII, Particle
from tomograms.simulator.library import built_in_species
from tomograms.simulator.settings import CZII_LIKE
from tomograms.simulator.simulate import simulate
from tomograms.tomogram import Tomogram, normalise

COLOURS = ("#4cc9f0", "#90be6d", "#f9c74f", "#f94144", "#c77dff", "#f8961e")


def draw_simulated(options: argparse.Namespace) -> None:
    """Simulate and draw what the command `tomograms.simulator.picture` was asked for.

    Raises
    ------
    InputError
        If an option has a value that makes no tomogram, or there is no room for the particles.
    """
    shape = tuple(options.shape)
    if min(shape) < 8 or options.seed < 0:
        raise InputError(
            f"--shape, --seed: expected at least 8 voxels and no negative seed, but got {shape}, {options.seed}"
        )
    settings = replace(CZII_LIKE, crowding=(options.crowding, options.crowding))
    species = built_in_species(CZII, settings.voxel_size)
    tomogram, picks = simulate(settings, options.seed, shape, species=species)
    write_picture(options.path, tomogram, picks, CZII)


def write_picture(path: Path, tomogram: Tomogram, picks: pd.DataFrame, particles: Sequence[Particle]) -> None:
    """Write the middle xy slice above the middle xz slice, left without and right with the truth, as a PNG.

    A circle is the cross-section of the particle's sphere with the slice.
    """
    volume = normalise(tomogram.volume)
    depth, height, width = volume.shape
    figure = Figure(figsize=(10, 10 * (depth + height) / (2 * width) + 0.4), layout="constrained")
    axes = figure.subplots(2, 2, height_ratios=(height, depth))
    for row, (axis, image) in enumerate([(0, volume[depth // 2]), (1, volume[:, height // 2])]):
        for column in range(2):
            axes[row, column].imshow(image, cmap="gray", vmin=-5, vmax=3.5, interpolation="nearest")
            axes[row, column].set_axis_off()
        _draw_truth(axes[row, 1], axis, volume.shape[axis] // 2, tomogram.voxel_size, picks, particles)
    handles = [axes[0, 1].plot([], [], "o", mfc="none", mec=c)[0] for c, _ in zip(COLOURS, particles, strict=False)]
    figure.legend(handles, [p.name for p in particles], loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=90, format="png")


def _draw_truth(
    plot: Any, axis: int, position: int, voxel_size: float, picks: pd.DataFrame, particles: Sequence[Particle]
) -> None:
    """Draw a circle for each sphere that the slice at ``position`` along ``axis`` cuts."""
    for number, particle in enumerate(particles):
        rows = picks[picks["particle_type"] == particle.name]
        index = to_index(rows[["x", "y", "z"]].to_numpy(), voxel_size)
        square = (particle.radius / voxel_size) ** 2 - (index[:, axis] - position) ** 2
        row, column = [a for a in range(3) if a != axis]
        for centre, left in zip(index[square > 0], np.sqrt(square[square > 0]), strict=True):
            colour = COLOURS[number % len(COLOURS)]
            circle = Circle((centre[column], centre[row]), left, fill=False, color=colour, linewidth=1.2)
            plot.add_artist(circle)  # unlike a patch, it leaves the axes' limits alone
