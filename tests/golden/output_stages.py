"""Stages that write results, and the budget that decides how much of them there is time for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from postproc.candidates import concatenate, empty_candidates, make_candidates
from submissions.export.copick_picks import CopickTarget
from submissions.export.provenance import Provenance, ensemble_version
from submissions.export.star import write_star
from submissions.export.submission import Extent, clip, write_submission
from submissions.export.table import write_csv
from submissions.prediction.budget import Budget, ladder, parse_duration
from tomograms.kaggle_tree import write_run
from tomograms.particles import CZII

EXTENTS = {"TS_1": Extent((10, 20, 30), 10.0), "TS_2": Extent((10, 20, 31), 10.012444)}
PROVENANCE = Provenance("ensemble", "1", "denoised", "tiny", "0123456789ab", True)
SPECIES = ("ribosome", "apo-ferritin", "thyroglobulin")


def _picks() -> pd.DataFrame:
    """Return fused candidates: some outside their volume, with many decimals, equal scores."""
    rows = [
        ("TS_1", "ribosome", [[150.0, 100.0, 50.0], [12.3456789, 0.0, 99.0], [-40.0, 250.0, 101.0]], [0.75, 0.5, 0.5]),
        ("TS_1", "apo-ferritin", [[1 / 3, 2 / 3, 94.9996]], [1 / 3]),
        ("TS_2", "ribosome", [[0.0, 0.0, 0.0], [305.3796, 195.2427, 0.0005]], [0.9, 0.9]),
    ]
    tables = [make_candidates(run, name, xyz, p, member="ensemble", model="mean") for run, name, xyz, p in rows]
    return concatenate(tables)


def submission(folder: Path) -> dict[str, Any]:
    """The submission, with rows and without."""
    write_submission(folder / "some.csv", [clip(_picks(), EXTENTS)])
    write_submission(folder / "none.csv", [clip(empty_candidates(), EXTENTS)])
    return {
        "submission.csv": (folder / "some.csv").read_text(encoding="utf-8"),
        "submission-empty.csv": (folder / "none.csv").read_text(encoding="utf-8"),
    }


def exports(folder: Path) -> dict[str, Any]:
    """CSV with scores, and STAR files; the line in which the starfile package names itself is left out."""
    picks = clip(_picks(), EXTENTS)
    table = write_csv(folder, [picks], extents=EXTENTS, provenance=PROVENANCE)
    stars = write_star(folder, picks, species=SPECIES, extents=EXTENTS, provenance=PROVENANCE)
    (folder / "ensemble.json").write_text("{}\n", encoding="utf-8")
    out = {"exports-picks.csv": table.read_text(encoding="utf-8")}
    for path in stars:
        lines = path.read_text(encoding="utf-8").splitlines()
        out[f"exports-{path.stem}.star"] = "\n".join(line for line in lines if not line.startswith("#")).strip() + "\n"
    out["exports-version.txt"] = ensemble_version(folder / "ensemble.json") + "\n"
    return out


def copick(folder: Path) -> dict[str, Any]:
    """What an export leaves in a copick project."""
    for name, extent in EXTENTS.items():
        volume = np.zeros(extent.shape, np.float32)
        write_run(folder, "test", name, volume=volume, voxel_size=extent.voxel_size, picks={})
    (folder / "overlay").mkdir()
    config = folder / "copick.json"
    content = {
        "config_type": "filesystem",
        "name": "tiny",
        "description": "",
        "version": "1.31",
        "overlay_root": f"local://{folder}/overlay",
        "static_root": f"local://{folder}/test/static",
        "overlay_fs_args": {"auto_mkdir": True},
        "pickable_objects": [
            {"name": p.name, "is_particle": True, "label": p.label, "radius": p.radius, "color": [0, 0, 0, 255]}
            for p in CZII
        ],
    }
    config.write_text(json.dumps(content), encoding="utf-8")
    target = CopickTarget(config, "ensemble", "1", overwrite=False)
    target.check(EXTENTS, SPECIES)
    written = target.write(clip(_picks(), EXTENTS), extents=EXTENTS, species=SPECIES, provenance=PROVENANCE)
    files = sorted(path for path in (folder / "overlay").rglob("*") if path.is_file())
    read = {path.relative_to(folder / "overlay").as_posix(): json.loads(path.read_text("utf-8")) for path in files}
    return {"copick.json": {"written": written, "files": read}}


class _Clock:
    """Time that passes only when something is done."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def budget(folder: Path) -> dict[str, Any]:
    """The ladder of plans, and what is chosen while costs rise and fall."""
    members = ["strong", "weak", "weakest"]
    full = {"strong": 8, "weak": 4, "weakest": 1}
    plans = ladder(members)
    out: dict[str, Any] = {
        "ladder": [[plan, plan.describe(members), [plan.views(n) for n in (8, 4, 1)]] for plan in plans],
        "durations": {text: parse_duration(text) for text in ("11h", "90m", "1.5m", "45s", "30")},
    }
    for seconds, workers in ((None, 1), (400.0, 1), (120.0, 1), (70.0, 2), (45.0, 1), (19.0, 1)):
        clock = _Clock()
        budget = Budget(seconds, plans, 16, workers, clock)
        chosen: list[str] = []
        for begun in range(16):
            plan = budget.choose(begun)
            if plan is None:
                chosen.append("none")
                continue
            chosen.append(f"{len(plan.members)} members, {plan.halvings} halvings, {clock.now - 100:.3f} s")
            slow = 1.5 if 4 <= begun < 8 else 1.0
            views = {name: plan.views(full[name]) for name in plan.members}
            cost = {name: slow * (0.5 + 0.75 * n) for name, n in views.items()}
            clock.now += (sum(cost.values()) + 0.25) / workers
            budget.measured(seconds=cost, views=views, full=full, rest=0.25 if begun % 3 else None)
        out[f"{seconds} s, {workers} workers"] = {
            "chosen": chosen,
            "estimates": [budget.estimate(plan) for plan in plans],
        }
    return {"budget.json": out}
