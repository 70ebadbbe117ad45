"""The report of a build as rich tables and plain sentences: pure functions of a `Comparison`."""

import math

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ensemble.comparison import TUNED, Comparison
from evaluation.counts import METRIC
from evaluation.intervals import Interval, score_interval
from evaluation.report import empty_table

MAP_STRIDE = 2
"""Tomogram voxels per voxel of the coarsest maps that members predict."""


def report(comparison: Comparison, *, simulated: bool, voxel_size: float | None = None) -> Group:
    """Return the whole report.

    Parameters
    ----------
    comparison
        What was built.
    simulated
        Whether the data are the phantom: every table says so.
    voxel_size
        Å, to tell an offset of half a voxel; unknown in runs of older versions.
    """
    label = " (simulated data)" if simulated else ""
    parts: list[RenderableType] = [
        score_table(comparison, title=f"Weighted {METRIC}: members against fusions{label}"),
        Text("\n".join(verdict(comparison))),
        particle_table(comparison, title=f"The ensemble by species{label}"),
        residual_table(comparison, title=f"Where the members' sure hits lie, in Å{label}"),
        Text("\n".join(offsets(comparison, voxel_size))),
        Text(notes(comparison), style="dim"),
    ]
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def score_table(comparison: Comparison, *, title: str) -> Table:
    """Return nested score, interval, optimum and gap of everything, and the difference to the best member."""
    best = comparison.best_member
    names = ("nested", "95 % interval", "optimum", "gap", "minus best", "95 % interval")
    table = empty_table(title, "", names)
    for name, result in comparison.results.items():
        if name == TUNED or name == next(iter(comparison.baselines), None):
            table.add_section()
        interval, difference = score_interval(result), comparison.difference(name)
        paired = ("best member", "") if name == best else (f"{difference.estimate:+.4f}", _range(difference, "+.3f"))
        table.add_row(
            name,
            Text(f"{result.score.total:.4f}", style="bold"),
            _range(interval, ".3f"),
            f"{result.optimum.total:.4f}",
            f"{result.gap:.4f}",
            *paired,
        )
    return table


def particle_table(comparison: Comparison, *, title: str) -> Table:
    """Return each species' nested F4 beside the best member's, AP, cut, weights and radius."""
    rule, best = comparison.rule, comparison.best_member
    result, alone = comparison.ensemble, comparison.members[best]
    columns = (METRIC, f"{best} {METRIC}", "AP", f"{best} AP", "cut", "theory")
    table = empty_table(title, "species", (*columns, *(f"w {member}" for member in rule.members), "radius"))
    for particle in rule.particles:
        name = particle.name
        fusion = rule.rules[name]
        total = sum(fusion.weights.values())
        table.add_row(
            name,
            Text(f"{result.score.by_type[name]:.3f}", style="bold"),
            f"{alone.score.by_type[name]:.3f}",
            f"{result.average_precision[name]:.3f}",
            f"{alone.average_precision[name]:.3f}",
            f"{fusion.cut.common * fusion.cut.factor:.2g}",
            f"{fusion.cut.common:.2g} x {fusion.cut.factor:.2f}",
            *(f"{fusion.weights[m] / total:.2f}" if fusion.weights[m] else "dropped" for m in rule.members),
            f"{fusion.radius_fraction * particle.radius:.0f} Å" if len(fusion.active) > 1 else "-",
        )
    return table


def residual_table(comparison: Comparison, *, title: str) -> Table:
    """Return each member's mean offset from the truth per axis, and its error (per axis) of each species."""
    species = [particle.name for particle in comparison.rule.particles]
    table = empty_table(title, "member", ("hits", "x", "y", "z"))
    for name in species:
        table.add_column(name.replace("-", "-\n"), justify="right", overflow="fold", min_width=7)
    for member, residuals in comparison.residuals.items():
        axes = (f"{o:+.1f} ± {known(e)}" for o, e in zip(residuals.offset, residuals.error, strict=True))
        errors = (known(residuals.spread[name]) for name in species)
        table.add_row(member, str(residuals.hits), *axes, *errors)
    table.caption = "x, y, z: mean offset and its standard error. Right: root mean square error per axis, by species."
    return table


def known(value: float) -> str:
    """Return a figure in Å, or a dash where there is none: without sure hits nothing is known."""
    return f"{value:.1f}" if math.isfinite(value) else "–"


def offsets(comparison: Comparison, voxel_size: float | None) -> list[str]:
    """Return in plain words which constant offsets are taken back, and which look like half a voxel."""
    lines = []
    for member, residuals in comparison.residuals.items():
        taken = [f"{axis} {by:+.1f} Å" for axis, by in zip("xyz", residuals.correction, strict=True) if by]
        if taken:
            lines.append(f"A constant offset of {member} is taken back before fusing: {', '.join(taken)}.")
        halves = residuals.half_voxels(voxel_size, MAP_STRIDE) if voxel_size else []
        if halves:
            lines.append(
                f"WARNING: the offset of {member} along {', '.join(halves)} looks like half a voxel, of the tomogram "
                f"or of a map at stride {MAP_STRIDE}: check its convention of pixel centres."
            )
    return lines or ["No member has a constant offset."]


def verdict(comparison: Comparison) -> list[str]:
    """Return in plain words whether fusing paid, against whom, and who was dropped where."""
    best = comparison.best_member
    members, difference = comparison.members, comparison.difference(TUNED)
    interval = f"95 % interval {_range(difference, '+.3f')}, {difference.resamplings} resamplings of the runs"
    by = f"{abs(difference.estimate):.4f} nested ({interval})"
    if len(members) == 1:
        lines = [
            f"One member only, nothing to fuse; calibration changes its score by {difference.estimate:+.4f} nested."
        ]
    elif difference.estimate > 0:
        lines = [f"The ensemble beats its best member, {best}, by {by}."]
    else:
        lines = [f"The ensemble does NOT beat its best member, {best}: it is lower by {by}."]
    if len(members) > 1 and difference.low <= 0 <= difference.high:
        lines.append("The interval holds 0: these runs do not settle which of the two is better.")
    scores = {name: result.score.total for name, result in comparison.baselines.items()}
    better = [
        f"{name} (+{value - comparison.ensemble.score.total:.4f})"
        for name, value in scores.items()
        if value > comparison.ensemble.score.total
    ]
    if better:
        lines.append("Without tuning, these are better nested: " + ", ".join(better) + ".")
    dropped = {p.name: comparison.rule.dropped(p.name) for p in comparison.rule.particles}
    for name, who in dropped.items():
        if who:
            lines.append(f"Dropped for {name}: {', '.join(who)}.")
    return lines


def notes(comparison: Comparison) -> str:
    """Return what the figures are, and what they are not."""
    runs = len(comparison.ensemble.counts)
    return (
        "Nested: calibration, localisation errors, weights, radii and cuts were refitted without the held-out "
        "runs; counts are pooled over runs, then F. Optimum: fitted to all runs and scored on them. AP: of each fold's "
        "held-out list, averaged with the weight of its true particles. Weights: stacked (learned from which clusters "
        "were hits), times what tuning found. No competition: equal weights, and species that are found at one place "
        "do not compete for it, as they do in equal weights and ensemble. Theory: the cut at which "
        "the probabilities of all runs together make the expected F highest, times what tuning made of it. Each "
        "tomogram's own probabilities move its cut, more so the more particles they promise. Members alone are "
        "calibrated and cut in the same way; evaluation.cv, which sees one member at a time, prints swept thresholds. "
        "Best member: the highest nested score, which favours it. "
        "Not nested: choices of recipe made on these runs; and the networks behind the tuning runs' candidates did "
        f"train on the held-out run. The intervals resample the {runs} runs: they omit training variance and "
        "undercover where runs are few, as seven are."
    )


def _range(interval: Interval, form: str) -> str:
    return f"{interval.low:{form}} to {interval.high:{form}}"
