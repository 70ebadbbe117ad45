"""Panels of one tomogram as PNG: slices in rows, members and the fused list in columns.

Hits, misses and false positives differ in shape, in colour (Okabe and Ito's, told apart by colour-blind people) and in
lightness, and stand on a dark rim, so that they are seen on dark and light ground.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from submissions.report.layers import FALSE_POSITIVE, FOUND, HIT, MISS
from tomograms.coordinates import to_index
from tomograms.files import replacing
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

STYLE = {
    FALSE_POSITIVE: ("X", "#D55E00"),
    FOUND: ("o", "#56B4E9"),
    HIT: ("o", "#56B4E9"),
    MISS: ("s", "#F0E442"),
}
"""Marker and colour, in the order of drawing: what is rarest lies on top."""
HOLLOW = ("o", "s")
"""Markers that are drawn as outlines."""
LABELLED = 40
"""Where a slice has more false positives than this, or more found particles, their names are left out."""
SLAB = 5
"""Voxels along z that a slice averages."""


def abbreviations(particles: Sequence[Particle]) -> dict[str, str]:
    """Return a short form of each species: initials of its parts, or its first letters, distinct."""
    short: dict[str, str] = {}
    for particle in particles:
        parts = [part for part in particle.name.split("-") if part]
        name = "".join(part[0] for part in parts).upper() if len(parts) > 1 else particle.name[:1].upper()
        taken, length = name, 2
        while taken in short.values():
            taken, length = f"{name}{length}", length + 1
        short[particle.name] = taken
    return short


def slice_positions(
    depth: NDArray[np.float64],  # (n,) z indices of the particles
    size: int,
    count: int,
) -> NDArray[np.int64]:  # (count,)
    """Return z indices of slices that divide the particles evenly, or the volume where there are none."""
    share = (np.arange(count) + 0.5) / count
    middle = np.quantile(depth, share) if len(depth) else share * size
    return np.clip(np.round(middle), 0, size - 1).astype(np.int64)


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
    short = abbreviations(particles)
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
            _draw_marks(axes, table[cut], index[title][cut], short)
            if row == 0:
                axes.set_title(f"{title}: {_counted(table)}", fontsize=9)
            if column == 0:
                axes.set_ylabel(f"z = {level * tomogram.voxel_size:.0f} Å", fontsize=8)
    kinds = {kind for table in marks.values() for kind in table["kind"]}
    handles = [
        Line2D([], [], ls="", marker=marker, ms=9, label=kind, **_in_legend(marker, colour))
        for kind, (marker, colour) in STYLE.items()
        if kind in kinds
    ]
    names = ", ".join(f"{letters} {name}" for name, letters in short.items())
    figure.suptitle(f"{tomogram.name}\n{note}; counts are of the whole tomogram, all species\n{names}", fontsize=9)
    if handles:
        legend = figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9)
        legend.get_frame().set_facecolor("0.3")  # light marks on dark, as in the slices
        for text in legend.get_texts():
            text.set_color("white")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png", metadata={"Software": None})


def _draw_marks(axes: Axes, table: pd.DataFrame, place: NDArray[np.float64], short: Mapping[str, str]) -> None:
    """Draw the marks of one slice, the species' short name beside each."""
    for kind, (marker, colour) in STYLE.items():
        chosen = (table["kind"] == kind).to_numpy()
        x, y = place[chosen, 2], place[chosen, 1]
        if marker in HOLLOW:  # a ring on a dark rim, so that the particle itself is seen
            axes.scatter(x, y, s=58, marker=marker, facecolor="none", edgecolor="black", linewidth=3.0)
            axes.scatter(x, y, s=58, marker=marker, facecolor="none", edgecolor=colour, linewidth=1.5)
        else:
            axes.scatter(x, y, s=34, marker=marker, facecolor=colour, edgecolor="black", linewidth=0.8)
        if kind in (FALSE_POSITIVE, FOUND) and len(x) > LABELLED:
            continue
        for name, left, top in zip(table["particle_type"][chosen], x, y, strict=True):
            axes.annotate(
                short[name],
                (left, top),
                xytext=(4, 3),
                textcoords="offset points",
                fontsize=6,
                color=colour,
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "black", "edgecolor": "none", "alpha": 0.6},
            )


def _in_legend(marker: str, colour: str) -> dict[str, Any]:
    """Return a mark's look in the legend: as in the slices."""
    if marker in HOLLOW:
        return {"mfc": "none", "mec": colour, "mew": 1.5}
    return {"mfc": colour, "mec": "black"}


def _counted(table: pd.DataFrame) -> str:
    """Return how many marks of each kind there are."""
    plural = {HIT: "hits", MISS: "misses", FALSE_POSITIVE: "false positives", FOUND: "found"}
    counts = table["kind"].value_counts()
    parts = [f"{counts[kind]} {name}" for kind, name in plural.items() if kind in counts]
    return ", ".join(parts) or "nothing"
