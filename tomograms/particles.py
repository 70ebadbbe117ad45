"""Particle species: the one table of names, labels, radii and metric weights."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomograms.errors import InputError

WORDS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no", "off"), False)
"""What copick takes for yes and no."""


@dataclass(frozen=True)
class Particle:
    """A species that is searched for.

    Attributes
    ----------
    name
        The ``particle_type`` of truth, candidates and submission.
    label
        Class index of the networks, from 1; 0 is background.
    radius
        Å.
    weight
        Weight of its F-beta in the score; 0 for a species that is not scored.
    """

    name: str
    label: int
    radius: float
    weight: float


CZII = (
    Particle("apo-ferritin", 1, 60.0, 1.0),
    Particle("beta-amylase", 2, 65.0, 0.0),
    Particle("beta-galactosidase", 3, 90.0, 2.0),
    Particle("ribosome", 4, 150.0, 1.0),
    Particle("thyroglobulin", 5, 130.0, 2.0),
    Particle("virus-like-particle", 6, 135.0, 1.0),
)


def by_name(particles: Iterable[Particle]) -> dict[str, Particle]:
    """Return the species keyed by name."""
    return {particle.name: particle for particle in particles}


def to_records(particles: Iterable[Particle]) -> list[dict[str, Any]]:
    """Return the species as plain dictionaries, for JSON."""
    return [{"name": p.name, "label": p.label, "radius": p.radius, "weight": p.weight} for p in particles]


def from_records(records: Iterable[Mapping[str, Any]]) -> tuple[Particle, ...]:
    """Return the species that `to_records` wrote."""
    return tuple(Particle(r["name"], int(r["label"]), float(r["radius"]), float(r["weight"])) for r in records)


def from_copick(objects: Sequence[Mapping[str, Any]], source: Path | str) -> tuple[Particle, ...]:
    """Return the species of a copick config.

    Labels become 1, 2, ... in the order of the config's own labels, since networks want them without gaps. The weight
    is ``metadata.weight`` or ``metadata.score_weight``, else 1. Objects that are not particles are left out.

    Parameters
    ----------
    objects
        The config's ``pickable_objects``.
    source
        The config's file, for messages.

    Raises
    ------
    InputError
        If an object lacks its name or label, none is a particle, one has no positive radius or a weight that is no
        number, or a name occurs twice.
    """
    entries = [_converted(entry, source) for entry in objects]
    chosen = sorted((o for o in entries if o["is_particle"]), key=lambda o: (o["label"], o["name"]))
    if not chosen:
        raise InputError(f"{source}: expected at least one pickable object with is_particle true, but got none")
    names = [o["name"] for o in chosen]
    if len(set(names)) < len(names):
        raise InputError(f"{source}: expected distinct names of pickable objects, but got {json.dumps(names)}")
    particles = []
    for label, entry in enumerate(chosen, start=1):
        radius = entry.get("radius")
        if not isinstance(radius, (int, float)) or not 0 < radius < math.inf:
            raise InputError(f"{source}: expected a radius above 0 Å for {entry['name']}, but got {radius}")
        metadata = entry.get("metadata") or {}
        if not isinstance(metadata, Mapping):
            raise InputError(f"{source}: expected an object as metadata of {entry['name']}, but got {metadata!r}")
        weight = metadata.get("weight", metadata.get("score_weight", 1.0))
        if not isinstance(weight, (int, float)) or not 0 <= weight < math.inf:
            raise InputError(f"{source}: expected a weight of at least 0 for {entry['name']}, but got {weight!r}")
        particles.append(Particle(entry["name"], label, float(radius), float(weight)))
    return tuple(particles)


def _converted(entry: Any, source: Path | str) -> dict[str, Any]:
    """Return a pickable object with its label, radius and is_particle as copick takes them: numbers may be text."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise InputError(f"{source}: expected pickable objects with a name and a label, but got {json.dumps(entry)}")
    try:
        label, radius = float(entry["label"]), entry.get("radius")
        radius = float(radius) if isinstance(radius, str) else radius
        truth = WORDS[str(entry.get("is_particle", True)).lower()]
    except (KeyError, TypeError, ValueError):
        label, radius, truth = math.nan, None, False
    if not math.isfinite(label) or label % 1 or isinstance(entry["label"], bool):
        raise InputError(
            f"{source}: expected pickable objects with a name, a label (a whole number), a radius and is_particle, but "
            f"got {json.dumps(entry)}"
        )
    return {**entry, "label": int(label), "radius": radius, "is_particle": truth}
