"""Panels of one tomogram as PNG: slices in rows, members and the fused list in columns.

Shape tells hits, misses and false positives apart, colour tells species apart. Every mark stands on a dark rim, so that
it is seen on dark and light ground. Nothing is written into the slices: names would cover each other.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from submissions.report.colours import species_colours
from submissions.report.layers import FALSE_POSITIVE, FOUND, HIT, MISS
from tomograms.coordinates import to_index
from tomograms.files import replacing
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

MARKER = {FALSE_POSITIVE: "x", FOUND: "o", HIT: "o", MISS: "s"}
"""In the order of drawing: what is rarest lies on top."""
SIZE = {"x": 26, "o": 52, "s": 60}
"""Of a marker, square points."""
LETTERS = 13
"""Of a title, that fit into an inch."""
ENTRY, LETTER = 0.75, 0.085
"""Inches of an entry in the legend: of its mark and margins, and of each letter."""
SLAB = 5
"""Voxels along z that a slice averages."""


def slice_positions(
    depth: NDArray[np.float64],  # (n,) z indices of the particles
    size: int,
    count: int,
) -> NDArray[np.int64]:  # (count,)
    """Return z indices of slices that divide the particles evenly, or the volume where there are none."""
    share = (np.arange(count) + 0.5) / count
    middle = np.quantile(depth, share) if len(depth) else share * size
    return np.clip(np.round(middle), 0, size - 1).astype(np.int64)


@mpl.rc_context({"text.parse_math": False})  # dollars in names are dollars
def write_panels(
    path: Path,
    tomogram: Tomogram,
    marks: Mapping[str, pd.DataFrame],
    *,
    particles: Sequence[Particle],
    slices: int,
    note: str,
) -> None:
    """Draw one PNG, atomically.

    Parameters
    ----------
    path
        The file.
    tomogram
        Normalised.
    marks
        Column title -> ``particle_type, x, y, z, kind`` of the whole tomogram (`submissions.report.layers.judge`).
    particles
        Every species. A mark is drawn in slices that cut its particle.
    slices
        Rows.
    note
        Under the title: where the thresholds come from.
    """
    radius = {particle.name: particle.radius / tomogram.voxel_size for particle in particles}
    colours = species_colours(particles)
    size = tomogram.volume.shape
    index = {title: to_index(table[["x", "y", "z"]].to_numpy(), tomogram.voxel_size) for title, table in marks.items()}
    levels = slice_positions(np.concatenate([place[:, 0] for place in index.values()]), size[0], slices)
    width, height = 4.2, 4.2 * size[1] / size[2]
    figure = Figure(figsize=(width * len(marks), (height + 0.25) * slices + 1.0), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(slices, len(marks), squeeze=False)
    for row, level in enumerate(levels):
        slab = tomogram.volume[max(0, level - SLAB // 2) : level + SLAB // 2 + 1].mean(axis=0)
        low, high = np.percentile(slab, [0.5, 99.5])
        for column, (title, table) in enumerate(marks.items()):
            axes = grid[row, column]
            axes.imshow(slab, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
            axes.set(xticks=[], yticks=[], xlim=(-0.5, size[2] - 0.5), ylim=(size[1] - 0.5, -0.5))
            reach = table["particle_type"].map(radius).to_numpy(np.float64)
            cut = np.abs(index[title][:, 0] - level) <= reach
            _draw_marks(axes, table[cut], index[title][cut], colours)
            if row == 0:
                axes.set_title(f"{title}: {_counted(table)}", fontsize=9)
            if column == 0:
                axes.set_ylabel(f"z = {level * tomogram.voxel_size:.0f} Å", fontsize=8)
    words = fill(f"{note}; counts are of the whole tomogram, all species", width=round(LETTERS * width * len(marks)))
    figure.suptitle(f"{tomogram.name}\n{words}", fontsize=9)
    _draw_legend(figure, marks.values(), colours)
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # of a script that the font does not have
        figure.savefig(temporary, dpi=130, format="png", metadata={"Software": None})


def _draw_marks(axes: Axes, table: pd.DataFrame, place: NDArray[np.float64], colours: Mapping[str, str]) -> None:
    """Draw the marks of one slice."""
    for kind, marker in MARKER.items():
        chosen = (table["kind"] == kind).to_numpy()
        x, y = place[chosen, 2], place[chosen, 1]
        colour = [colours[name] for name in table["particle_type"][chosen]]
        for width, edge in ((3.4, "black"), (1.6, colour)):  # outlines, so that the particle itself is seen
            filled: dict[str, Any] = {"color": edge} if marker == "x" else {"facecolor": "none", "edgecolor": edge}
            axes.scatter(x, y, s=SIZE[marker], marker=marker, linewidth=width, **filled)


def _draw_legend(figure: Figure, tables: Iterable[pd.DataFrame], colours: Mapping[str, str]) -> None:
    """Say under the slices what the shapes and colours mean that occur; light marks on dark, as in the slices."""
    marks = pd.concat([table[["particle_type", "kind"]] for table in tables])
    shapes = [(kind, marker, "white") for kind, marker in MARKER.items() if (marks["kind"] == kind).any()]
    names = [(name, "o", colour) for name, colour in colours.items() if (marks["particle_type"] == name).any()]
    handles = [
        Line2D([], [], ls="", marker=marker, ms=8, mfc="none", mec=colour, mew=1.8, label=label)
        for label, marker, colour in [*shapes, *names]
    ]
    if handles:
        entry = ENTRY + LETTER * max(len(str(handle.get_label())) for handle in handles)
        columns = max(1, min(len(handles), 6, int(figure.get_figwidth() / entry)))
        legend = figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=9)
        legend.get_frame().set_facecolor("0.25")
        for text in legend.get_texts():
            text.set_color("white")


def _counted(table: pd.DataFrame) -> str:
    """Return how many marks of each kind there are."""
    plural = {HIT: "hits", MISS: "misses", FALSE_POSITIVE: "false positives", FOUND: "found"}
    counts = table["kind"].value_counts()
    parts = [f"{counts[kind]} {plural[kind] if counts[kind] > 1 else kind}" for kind in plural if kind in counts]
    return ", ".join(parts) or "nothing"
