"""A report from beginning to end: ``report.json`` and ``report.html``."""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from submissions.inputs import find_run, open_data
from submissions.prediction.fusion import load_fusion
from submissions.prediction.store import Store
from submissions.report.agreement import agreement
from submissions.report.costs import costs
from submissions.report.gallery import gather_gallery
from submissions.report.geometry import geometry
from submissions.report.material import Material, gather_material, shown
from submissions.report.operating import operating
from submissions.report.origin import origin
from submissions.report.page import render
from submissions.report.species import species_rows
from submissions.report.tomogram_rows import tomogram_rows
from submissions.report.verdict import verdict
from tomograms.console import Progress, console
from tomograms.errors import InputError
from tomograms.files import write_json, write_text


def report(arguments: argparse.Namespace) -> None:
    """Do what `submissions.report` was asked for."""
    run = find_run(arguments.runs, arguments.run)
    try:
        dataset = open_data(run, arguments.data, arguments.mask, arguments.voxel_spacing)
    except InputError as error:
        if arguments.data is not None or arguments.mask is not None:
            raise
        console().print(f"without pictures, for the run's data are not at hand: {error}", soft_wrap=True)
        dataset = None
    store = Store(run.path / "test")
    names = sorted({*store.experiments(), *(one["experiment"] for one in store.failures())})
    options = {
        "--data": arguments.data,
        "--mask": arguments.mask,
        "--voxel-spacing": arguments.voxel_spacing,
        "--to": ["star", "csv"],
    }
    command = run.command("submissions.make", options.items())
    material = gather_material(
        load_fusion(run, shown(names)), store=store, names=names, dataset=dataset, command=command
    )
    console().print(str(write_report(material, arguments.out or run.path)), soft_wrap=True)


def write_report(material: Material, folder: Path) -> Path:
    """Write ``report.json`` and ``report.html`` into a folder, each atomically; return the page's path."""
    facts = facts_of(material)
    with Progress() as progress:
        task = progress.task("report: tomograms for its pictures", total=1)
        read: list[str] = []

        def advance(name: str) -> None:
            read.append(name)
            task.update(len(read), total=len(read) + 1, note=name)

        gallery = gather_gallery(material, advance)
        task.finish()
    page = render(facts, gallery, material.particles)
    write_json(folder / "report.json", facts)
    write_text(folder / "report.html", page)
    return folder / "report.html"


def facts_of(material: Material) -> dict[str, Any]:
    """Return the content of ``report.json``: plain values, ``None`` for what is not known."""
    facts = {
        "run": material.run.name,
        "simulated": material.run.record.simulated,
        "members": list(material.fusion.ensemble.members),
        "cross_validation": _single_members(material),
        "thresholds": dict(material.fusion.thresholds),
        "origin": origin(material.run, material.record, material.command),
        "verdict": verdict(material),
        "species": species_rows(material),
        "operating": operating(material),
        "tomograms": tomogram_rows(material),
        "left_out": material.left_out,
        "agreement": agreement(material),
        "geometry": geometry(material),
        "costs": costs(material),
    }
    return plain(facts)


def _single_members(material: Material) -> dict[str, Any]:
    """Return the scores of ``cv.json``."""
    keys = ("nested", "interval", "optimum", "gap")
    return {name: {key: told[key] for key in keys} for name, told in material.cv.get("members", {}).items()}


def plain(value: Any) -> Any:
    """Return a value as JSON takes it: no tuples, no numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
