"""``report.html``: one file that needs no network and no JavaScript, from figures, charts and pictures."""

import base64
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from submissions.report.charts import (
    LEFT,
    METRICS,
    WIDTH,
    curves_chart,
    heights_chart,
    neighbours_chart,
    operating_chart,
    reliability_chart,
)
from submissions.report.colours import species_colours
from submissions.report.gallery import Gallery, Slice
from tomograms.particles import Particle

TEMPLATES = Path(__file__).with_name("templates")
LIMIT = 5_000_000
"""Bytes of a report."""
QUALITIES = (80, 65, 50, 35, 20)
"""Of JPEG, tried in this order until the report is small enough; then the pictures are left out."""
SYMBOLS = {"hit": "○", "found": "○", "false positive": "×", "miss": "□", "left out": "·", "left out, but right": "◌"}


def render(facts: Mapping[str, Any], gallery: Gallery, particles: tuple[Particle, ...]) -> str:
    """Return the page, at most `LIMIT` bytes of UTF-8.

    Parameters
    ----------
    facts
        The content of ``report.json``.
    gallery
        The pictures.
    particles
        Every species.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        f2=lambda value: _number(value, ".2f"),
        f3=lambda value: _number(value, ".3f"),
        signed=lambda value: _number(value, "+.3f"),
        percent=lambda value: "–" if value is None else f"{100 * value:.0f} %",
        whole=lambda value: _number(value, ".0f"),
    )
    template = environment.get_template("report.html.j2")
    shared = {
        **facts,
        "charts": charts(facts),
        "colours": species_colours(particles),
        "symbols": SYMBOLS,
        "kinds": {row["name"]: row["kind"] for row in facts["tomograms"]},
        "chart_left": LEFT,
        "chart_width": WIDTH,
        "style": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "script": Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),
    }
    for quality in QUALITIES:
        page = template.render(shared, pictures=encoded(gallery, quality))
        if len(page.encode()) <= LIMIT:
            return page
    return template.render(shared, pictures=encoded(Gallery(problems=["the pictures are too many for one file"]), 1))


def charts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the charts of a report as SVG."""
    made: dict[str, Any] = {"operating": {}, "reliability": {}, "heights": {}, "neighbours": {}, "curves": {}}
    if facts["operating"] is not None and facts["operating"]["basis"] is not None:
        for name, curve in facts["operating"]["species"].items():
            made["operating"][name] = Markup(operating_chart(name, facts["operating"]["threshold"], curve))
    for row in facts["species"]:
        if row.get("reliability", {}).get("bins"):
            made["reliability"][row["name"]] = Markup(reliability_chart(row["name"], row["reliability"]["bins"]))
    if facts["geometry"] is not None:
        for name, own in facts["geometry"]["species"].items():
            if own["z"]:
                made["heights"][name] = Markup(heights_chart(name, facts["geometry"]["heights"], own["z"]))
            if sum(own["neighbours"]):
                edges = facts["geometry"]["neighbour_edges"]
                made["neighbours"][name] = Markup(neighbours_chart(name, edges, own["neighbours"]))
    for member, curves in facts["costs"]["curves"].items():
        drawn = {}
        for key in ("loss", "validation"):
            own = [curve for curve in curves if curve[key]]
            if own:
                label = METRICS.get(own[0]["metric"], own[0]["metric"]) if key == "validation" else "loss"
                drawn[key] = Markup(curves_chart(member, own, key, label))
        made["curves"][member] = drawn
    return made


def encoded(gallery: Gallery, quality: int) -> dict[str, Any]:
    """Return the pictures as the template wants them, with JPEG of this quality."""
    return {
        "slices": {name: [_slice(one, quality) for one in two] for name, two in gallery.slices.items()},
        "crops": {
            species: {
                group: [
                    {
                        "source": jpeg(crop.grey, quality),
                        "name": crop.experiment,
                        "score": crop.score,
                        "kind": crop.kind,
                    }
                    for crop in crops
                ]
                for group, crops in groups.items()
            }
            for species, groups in gallery.crops.items()
        },
        "averages": {
            species: {kind: {"source": jpeg(one.grey, quality), "count": one.count} for kind, one in kinds.items()}
            for species, kinds in gallery.averages.items()
        },
        "problems": gallery.problems,
    }


def _slice(one: Slice, quality: int) -> dict[str, Any]:
    marks = [
        {
            "x": f"{row.column:.1f}",
            "y": f"{row.row:.1f}",
            "species": row.particle_type,
            "kind": row.kind,
            "score": row.score,
        }
        for row in one.marks.sort_values("kind", kind="stable").itertuples()
    ]
    height, width = one.grey.shape
    source = jpeg(one.grey, quality)
    return {"plane": one.plane, "level": one.level, "width": width, "height": height, "source": source, "marks": marks}


def jpeg(grey: NDArray[np.uint8], quality: int) -> str:
    """Return grey levels as the address of a JPEG that stands in the page."""
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
