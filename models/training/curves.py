"""The history of a training: ``history.csv`` and pictures of its loss and of its validation metric."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tomograms.files import replacing, write_text


def write_history(
    directory: Path,
    rows: Sequence[Mapping[str, float]],
    *,
    loss: Sequence[str],
    metric: Sequence[str],
) -> None:
    """Write ``history.csv``, ``loss.png`` and ``metric.png`` into ``directory``, each atomically.

    Parameters
    ----------
    directory
        The training's folder.
    rows
        One mapping a step or epoch, with the key ``step``; a value that was not measured there is absent.
    loss
        Names of the columns that are drawn in ``loss.png``.
    metric
        Names of the columns that are drawn in ``metric.png``, in [0, 1].
    """
    names = list(dict.fromkeys(["step", *(name for row in rows for name in row)]))
    text = StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    write_text(directory / "history.csv", text.getvalue())
    _draw(directory / "loss.png", rows, loss, "loss", top=None)
    _draw(directory / "metric.png", rows, metric, "validation metric (held-out tomogram, only looked at)", top=1.0)


def _draw(path: Path, rows: Sequence[Mapping[str, float]], names: Sequence[str], title: str, top: float | None) -> None:
    # Figure and its Agg canvas directly: pyplot would keep global state and ask for a display.
    figure = Figure(figsize=(8.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name in names:
        points = [(row["step"], row[name]) for row in rows if name in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 30 else "")
    axes.set(xlabel="step", title=title)
    axes.set_ylim(bottom=0.0, top=top)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside right upper", fontsize=9)  # beside the curves, never on them
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
