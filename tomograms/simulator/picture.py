"""``python -m tomograms.simulator.picture OUT.png``: slices of a simulated tomogram with its truth drawn on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tomograms.coordinates import to_index
from tomograms.errors import InputError, run_command
from tomograms.files import replacing
from tomograms.particles import CZII, Particle
from tomograms.tomogram import Tomogram, normalise

COLOURS = ("#4cc9f0", "#90be6d", "#f9c74f", "#f94144", "#c77dff", "#f8961e")


def write_picture(path: Path, tomogram: Tomogram, picks: pd.DataFrame, particles: Sequence[Particle]) -> None:
    """Write the middle xy slice above the middle xz slice, left without and right with the truth, as a PNG.

    A circle is the cross-section of the particle's sphere with the slice.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    volume = normalise(tomogram.volume)
    depth, height, width = volume.shape
    figure = Figure(figsize=(10, 10 * (depth + height) / (2 * width) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
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
    from matplotlib.patches import Circle

    for number, particle in enumerate(particles):
        rows = picks[picks["particle_type"] == particle.name]
        index = to_index(rows[["x", "y", "z"]].to_numpy(), voxel_size)
        square = (particle.radius / voxel_size) ** 2 - (index[:, axis] - position) ** 2
        row, column = [a for a in range(3) if a != axis]
        for centre, left in zip(index[square > 0], np.sqrt(square[square > 0]), strict=True):
            colour = COLOURS[number % len(COLOURS)]
            circle = Circle((centre[column], centre[row]), left, fill=False, color=colour, linewidth=1.2)
            plot.add_artist(circle)  # unlike a patch, it leaves the axes' limits alone


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate a tomogram and draw it."""
    parser = argparse.ArgumentParser(prog="python -m tomograms.simulator.picture", description=__doc__)
    parser.add_argument("path", type=Path, help="PNG file to write")
    parser.add_argument("--shape", type=int, nargs=3, default=(128, 320, 320), metavar=("Z", "Y", "X"), help="voxels")
    parser.add_argument("--crowding", type=float, default=4.0, metavar="F", help="factor on the numbers of particles")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    if min(options.shape) < 8 or options.seed < 0:
        raise InputError(f"--shape, --seed: expected at least 8 voxels and no negative seed, got {argv}")
    from dataclasses import replace

    from tomograms.simulator.library import built_in_species
    from tomograms.simulator.settings import CZII_LIKE
    from tomograms.simulator.simulate import simulate

    settings = replace(CZII_LIKE, crowding=(options.crowding, options.crowding))
    shape = (options.shape[0], options.shape[1], options.shape[2])
    tomogram, picks = simulate(
        settings, options.seed, shape, species=built_in_species(CZII, settings.voxel_size), name="simulated"
    )
    write_picture(options.path, tomogram, picks, CZII)


if __name__ == "__main__":
    run_command(main)
