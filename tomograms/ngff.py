"""OME-NGFF multiscales (0.4 and 0.5): where the full-resolution array lies, and its voxel size."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tomograms.coordinates import AXES
from tomograms.errors import InputError

UNITS = {None: 1.0, "angstrom": 1.0, "nanometer": 1e1, "micrometer": 1e4, "meter": 1e10}
"""Å per unit of an NGFF axis; files without units are taken to be in Å, as copick writes them."""
KNOWN = ("scale", "translation", "identity")
"""Kinds of transformations that are read; others turn or bend the volume."""
SHIFT = 0.01
"""Voxels by which a volume may be translated: no more than rounding."""


def parse_multiscales(attributes: Mapping[str, Any], where: str) -> tuple[str, float]:
    """Return the key of the first level's array, and its voxel size in Å.

    Parameters
    ----------
    attributes
        What holds the key ``multiscales``.
    where
        The file, for messages.

    Raises
    ------
    InputError
        If there is no OME-NGFF scale, axes are others than z, y, x, voxels are not cubic within 0.1 %, or the volume
        is translated, or transformed in any other way.
    """
    try:
        level = attributes["multiscales"][0]
        dataset = level["datasets"][0]
        path = str(dataset["path"])
        axes = [axis["name"] for axis in level["axes"]]
        units = [axis.get("unit") for axis in level["axes"]]
        steps = [*dataset["coordinateTransformations"], *(level.get("coordinateTransformations") or [])]
        kinds = [str(step["type"]) for step in steps]
        scales = [step["scale"] for step in steps if step["type"] == "scale"]
        scale = np.prod(np.array(scales, np.float64), axis=0)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{where}: expected OME-NGFF multiscales with axes and a scale, but got something else ({error!r})"
        ) from None
    if not set(kinds) <= set(KNOWN) or not scales:
        raise InputError(
            f"{where}: expected coordinateTransformations with a scale, of the types {', '.join(KNOWN)} alone, but got "
            f"{', '.join(kinds) or 'none'}"
        )
    if axes != list(AXES) or scale.shape != (3,):
        raise InputError(f"{where}: expected the axes z, y, x with three scales, but got {axes} with {scale.tolist()}")
    if any(unit not in list(UNITS) for unit in units):
        raise InputError(f"{where}: expected axes in {', '.join(filter(None, UNITS))}, but got {units}")
    size = scale * [UNITS[unit] for unit in units]
    if not (np.all(np.isfinite(size)) and size.min() > 0 and size.max() <= size.min() * 1.001):
        raise InputError(f"{where}: expected cubic voxels above 0 Å, but got {size.tolist()} Å (z, y, x)")
    offset = np.zeros(3)
    try:
        for transformation in steps:  # in the order in which they are applied
            if transformation["type"] == "scale":
                offset = offset * np.array(transformation["scale"], np.float64)
            elif transformation["type"] == "translation":
                offset = offset + np.array(transformation["translation"], np.float64)
    except (KeyError, TypeError, ValueError):
        offset = np.full(3, np.nan)
    if not np.all(np.abs(offset) <= SHIFT * scale):
        raise InputError(
            f"{where}: expected no translation, since positions are measured from the centre of the first voxel, "
            f"but got {offset.tolist()} (z, y, x)"
        )
    return path, float(size.mean())


def multiscales(voxel_size: float) -> dict[str, Any]:
    """Return the attributes of version 0.4 for a group with one level, ``0``."""
    scale = {"type": "scale", "scale": [voxel_size] * 3}
    level = {
        "name": "/",
        "version": "0.4",
        "axes": [{"name": name, "type": "space", "unit": "angstrom"} for name in AXES],
        "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
    }
    return {"multiscales": [level]}
