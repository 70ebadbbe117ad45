"""What a run cost: curves of its trainings, seconds, memory, and what failed."""

import csv
from pathlib import Path
from typing import Any

from evaluation.jobs import STAGES
from submissions.report.material import Material
from tomograms.files import read_json

POINTS = 200
"""Of a curve; more are thinned."""
NO_METRIC = ("step", "epoch", "learning_rate")


def costs(material: Material) -> dict[str, Any]:
    """Return the curves and seconds of all trainings, the seconds of new tomograms, and failures."""
    run = material.run
    jobs = {member: [path for path in run.jobs(member) if path.exists()] for member in run.members}
    seconds = {}
    for member, paths in jobs.items():
        told = [read_json(path / "seconds.json") for path in paths if (path / "seconds.json").exists()]
        seconds[member] = {stage: sum(one.get(stage, 0.0) for one in told) for stage in STAGES}
        seconds[member]["trainings"] = len(told)
    predicted: dict[str, list[float]] = {}
    for own in material.stored.values():
        for member, stored in own.items():
            predicted.setdefault(member, []).append(stored.seconds)
    return {
        "seconds": seconds,
        "new_tomograms": {
            member: {"tomograms": len(values), "seconds": sum(values), "each": sum(values) / len(values)}
            for member, values in predicted.items()
        },
        "peak_memory": _memory(jobs),
        "curves": {member: [one for path in paths if (one := curve(path))] for member, paths in jobs.items()},
        "failures": [{"tomogram": f.experiment, "member": f.member, "reason": f.reason} for f in material.failures],
    }


def curve(folder: Path) -> dict[str, Any] | None:
    """Return loss and validation metric of one training by step; the metric is the history's first one."""
    try:
        with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return None
    if not rows:
        return None
    metrics = [name for name in rows[0] if name not in NO_METRIC and not name.endswith("loss")]
    out: dict[str, Any] = {"training": f"{folder.parent.name}/{folder.name}", "metric": metrics[0] if metrics else None}
    for key, name in (("loss", "loss"), ("validation", out["metric"])):
        points = [[float(row["step"]), float(row[name])] for row in rows if name and row.get(name)]
        step = max(1, -(-len(points) // POINTS))
        out[key] = points[::step] + (points[-1:] if points and (len(points) - 1) % step else [])
    return out


def _memory(jobs: dict[str, list[Path]]) -> dict[str, dict[str, int]]:
    """Return the largest peak of each member's trainings in bytes, by kind of memory, as far as it was measured."""
    out: dict[str, dict[str, int]] = {}
    for member, paths in jobs.items():
        told = [read_json(path / "memory.json") for path in paths if (path / "memory.json").exists()]
        kinds = sorted({kind for one in told for kind in one})
        out[member] = {kind: max(one.get(kind, 0) for one in told) for kind in kinds}
    return out
