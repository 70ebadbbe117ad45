"""Charts of the report as SVG that stands in the page: lines and text take the page's colours, light or dark.

Every function takes a ``key`` first, the chart's own among those of its kind: identifiers in the SVG depend on it.
"""

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from submissions.report.layers import FALSE_POSITIVE, FOUND, HIT, MISS

INK, FAINT = "#010203", "#010204"
"""Stand for the page's own colours, which replace them in the SVG."""
COLOURS = {HIT: "#2b8cd6", FALSE_POSITIVE: "#d9661f", MISS: INK, FOUND: "#2b8cd6"}
"""Of kinds of marks; seen on white and on dark grey, and told apart by colour-blind readers."""
LINES = ("#2b8cd6", "#d9661f", "#1a9c74")
"""Precision, recall, F4."""
METRICS = {"dice": "Dice", "watch_map50": "mAP50"}
"""What the metrics of histories are called."""
LEFT, WIDTH = 0.12, 0.85
"""Where the axes of a chart lie, as shares of its width: the page lays a marker over it."""
TICKS = (0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99)


def operating_chart(key: str, thresholds: Sequence[float], curve: Mapping[str, Any]) -> str:
    """Return precision, recall and F4 over the threshold, which is drawn on the logit scale."""
    figure, axes = _axes(4.2, 2.3)
    x = np.log(np.divide(thresholds, 1 - np.asarray(thresholds)))
    labels, styles = (
        ("precision", "recall", "F4"),
        ("-", "-", (0, (3, 2))),
    )  # F4 often lies on recall, which shows through
    for name, label, colour, style in zip(("precision", "recall", "f_beta"), labels, LINES, styles, strict=True):
        axes.plot(x, np.array(curve[name], float), color=colour, lw=1.6, ls=style, label=label)
    ticks = np.array(TICKS)
    axes.set(
        xlim=(x[0], x[-1]), ylim=(0, 1.02), xticks=np.log(ticks / (1 - ticks)), xticklabels=[f"{t:g}" for t in TICKS]
    )
    axes.set_xlabel("threshold (probability)")
    _legend(axes, columns=3)
    return _svg(figure, f"operating {key}")


def reliability_chart(key: str, bins: Sequence[Mapping[str, float]]) -> str:
    """Return the share of hits over the mean probability of each bin, beside the diagonal."""
    figure, axes = _axes(2.6, 2.1, top=0.97)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls="--")
    x, y, low, high = (np.array([one[key] for one in bins]) for key in ("probability", "share", "low", "high"))
    axes.errorbar(x, y, yerr=np.maximum([y - low, high - y], 0), color=LINES[0], lw=1.2, marker="o", ms=4, capsize=2)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="probability", ylabel="share of hits")
    return _svg(figure, f"reliability {key}")


def heights_chart(key: str, edges: Sequence[float], counts: Mapping[str, Sequence[int]]) -> str:
    """Return how many hits, misses and false positives lie at each height."""
    figure, axes = _axes(2.6, 2.0)
    bottom = np.zeros(len(edges) - 1)
    for kind, colour in COLOURS.items():
        if kind in counts:
            axes.stairs(bottom + counts[kind], edges, baseline=bottom, fill=True, color=colour, label=kind)
            bottom = bottom + counts[kind]
    axes.set(
        xlabel="z (Å)", ylabel="number", xlim=(edges[0], edges[-1]), ylim=(0, max(bottom.max(initial=1), 1) * 1.05)
    )
    _legend(axes, columns=3)
    return _svg(figure, f"heights {key}")


def neighbours_chart(key: str, edges: Sequence[float], counts: Sequence[int]) -> str:
    """Return how far the nearest pick of the same species is, in radii; below 1 the two overlap."""
    figure, axes = _axes(2.6, 1.9, top=0.97)
    axes.stairs(counts, edges, fill=True, color=LINES[0])
    axes.axvline(1.0, color=INK, lw=1, ls="--")
    axes.set(
        xlabel="nearest neighbour (radii; 6: or farther)", ylabel="picks", xlim=(edges[0], edges[-1]), ylim=(0, None)
    )
    return _svg(figure, f"neighbours {key}")


def curves_chart(key: str, curves: Sequence[Mapping[str, Any]], part: str, label: str) -> str:
    """Return one line a training: its loss or its validation metric over steps."""
    figure, axes = _axes(3.6, 2.0, top=0.97)
    for curve in curves:
        points = np.array(curve[part], float).reshape(-1, 2)
        axes.plot(*points.T, color=LINES[0], lw=1.1, alpha=0.7, marker="." if len(points) < 30 else "")
    axes.set(xlabel="step", ylabel=label, xlim=(0, None), ylim=(0, 1 if part == "validation" else None))
    return _svg(figure, f"curves {key} {part}")


def _axes(width: float, height: float, *, top: float = 0.88) -> tuple[Figure, Axes]:
    """Return a figure of this size in inches with axes up to ``top`` of its height, in the page's colours."""
    figure = Figure(figsize=(width, height))
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    left = LEFT if width > 4 else 0.19
    axes = figure.add_axes((left, 0.22, WIDTH if width > 4 else 0.78, top - 0.22))
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set(color=INK, fontsize=8)
    axes.yaxis.label.set(color=INK, fontsize=8)
    axes.grid(color=FAINT, alpha=0.35, lw=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _legend(axes: Axes, *, columns: int) -> None:
    """Put the legend above the axes, where no line is."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=columns, fontsize=8, frameon=False, labelcolor=INK,
            borderaxespad=0.1, handlelength=1.5, columnspacing=1.0, handletextpad=0.4,
        )  # fmt: skip


def _svg(figure: Figure, salt: str) -> str:
    """Return a figure as SVG for a page: the same text for the same figure, no identifiers that could clash."""
    text = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    width, height = (72 * side for side in figure.get_size_inches())
    svg = re.sub(r"<svg[^>]*>", f'<svg viewBox="0 0 {width:g} {height:g}" role="img">', svg, count=1)
    svg = svg.replace(INK, "currentColor").replace(FAINT, "var(--faint)")
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 sans-serif", svg)
    return re.sub(r"\n\s*", "\n", svg)
