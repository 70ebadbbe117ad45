"""The report of a cross-validation as rich tables: pure functions that take results and return renderables."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evaluation.counts import METRIC, Counts, pool, score
from evaluation.intervals import score_interval
from evaluation.nested import NestedResult
from tomograms.console import duration
from tomograms.particles import Particle


def report(results: Mapping[str, NestedResult], *, simulated: bool, seconds: Mapping[str, float]) -> Group:
    """Return the whole report: scores, then notes, then species and folds of each member, then times.

    Parameters
    ----------
    results
        By member (and seed, where there are several), in the order of the tables.
    simulated
        Whether the data are the phantom: every table says so.
    seconds
        Time by stage.
    """
    label = _label(simulated)
    parts: list[RenderableType] = [
        score_table(results, title=f"Weighted {METRIC}{label}"),
        Text(notes(results), style="dim"),
    ]
    for name, result in results.items():
        by_particle = class_table(
            result.pooled,
            result.particles,
            title=f"{name}: nested, by particle{label}",
            average_precision=result.average_precision,
            thresholds=result.optimum_rule.thresholds,
        )
        parts += [by_particle, fold_table(result, title=f"{name}: nested, by fold{label}")]
    parts.append(time_table(seconds))
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def score_table(results: Mapping[str, NestedResult], *, title: str) -> Table:
    """Return the headline: nested score with its interval, optimum, gap."""
    table = empty_table(title, "member", ("nested", "95 % interval", "optimum", "gap"))
    for name, result in results.items():
        interval = score_interval(result)
        table.add_row(
            name,
            Text(f"{result.score.total:.4f}", style="bold"),
            f"{interval.low:.3f} to {interval.high:.3f}",
            f"{result.optimum.total:.4f}",
            f"{result.gap:.4f}",
        )
    return table


def notes(results: Mapping[str, NestedResult]) -> str:
    """Return what the figures are, and what they are not."""
    runs = max((len(result.counts) for result in results.values()), default=0)
    return (
        "Nested: each fold's thresholds were fitted on the other folds' held-out runs; counts are pooled over runs, "
        "then F. Optimum: thresholds fitted on all of these runs and scored on them; the column threshold holds these, "
        "for new tomograms. Not nested: choices of recipe made on these runs; and the networks behind the tuning runs' "
        "candidates did train on the held-out run. "
        f"The interval resamples the {runs} runs; it omits training variance, and is too narrow where runs are few."
    )


def class_table(
    counts: Mapping[str, Counts],
    particles: Sequence[Particle],
    *,
    title: str,
    average_precision: Mapping[str, float] | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> Table:
    """Return precision, recall, F4 and counts of each species, and the weighted score.

    Parameters
    ----------
    counts
        By species, experiments pooled.
    particles
        Every species, in the order of the rows.
    title
        Above the table.
    average_precision, thresholds
        By species; these columns are left out where they are not given, as for a submission.
    """
    names = ["weight", "precision", "recall", METRIC]
    names += ["AP"] if average_precision is not None else []
    names += ["threshold"] if thresholds is not None else []
    table = empty_table(title, "species", (*names, "TP", "FP", "FN", "picks", "truth"))
    for particle in particles:
        own = counts.get(particle.name, Counts())
        cells = [f"{particle.weight:g}", f"{own.precision:.3f}", f"{own.recall:.3f}", f"{own.f_beta:.3f}"]
        cells += [_figure(average_precision.get(particle.name))] if average_precision is not None else []
        cells += [_threshold(thresholds.get(particle.name))] if thresholds is not None else []
        table.add_row(particle.name, *cells, *map(str, (own.tp, own.fp, own.fn, own.predictions, own.truth)))
    table.add_section()
    table.add_row("weighted score", "", "", "", Text(f"{score(counts, particles).total:.3f}", style="bold"))
    return table


def fold_table(result: NestedResult, *, title: str) -> Table:
    """Return each fold's score on its held-out runs, and the thresholds that were fitted without them."""
    table = empty_table(title, "held out", ("score", "TP", "FP", "FN"))
    for particle in result.particles:
        table.add_column(particle.name.replace("-", "-\n"), justify="right", overflow="fold", min_width=7)
    for fold in result.folds:
        counts = pool(fold.counts)
        scored = [counts[p.name] for p in result.particles if p.name in counts and p.weight > 0]
        total = sum(scored, Counts())
        table.add_row(
            fold.fold.name,
            f"{score(counts, result.particles).total:.3f}",
            *map(str, (total.tp, total.fp, total.fn)),
            *(_threshold(fold.rule.thresholds.get(p.name)) for p in result.particles),
        )
    table.caption = (
        "Right: thresholds fitted without the held-out runs. Counts are of scored species; a species that is missing "
        "in the truth of a fold counts as 0 in its score."
    )
    return table


def time_table(seconds: Mapping[str, float]) -> Table:
    """Return the time of each stage and its share."""
    total = sum(seconds.values())
    table = empty_table("Time by stage", "stage", ("time", "share"))
    for stage, value in seconds.items():
        table.add_row(stage, duration(value), f"{100 * value / total if total > 0 else 0:.0f} %")
    table.add_section()
    table.add_row("all", duration(total), "")
    return table


def empty_table(title: str, first: str, columns: Sequence[str]) -> Table:
    """Return an empty table: a column of names, then columns of figures that are never cut."""
    table = Table(title=title, title_justify="left", caption_justify="left", box=SIMPLE_HEAD, padding=0)
    table.show_edge = False
    table.add_column(first, overflow="fold", min_width=8)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _label(simulated: bool) -> str:
    return " (simulated data)" if simulated else ""


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _threshold(value: float | None) -> str:
    return "-" if value is None or value == float("inf") else f"{value:.3g}"
