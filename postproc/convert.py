"""A member's output, of whichever kind -> candidates."""

from collections.abc import Sequence

import pandas as pd

from compute.devices import resolve_device
from models.outputs import ClassMaps, Maps, PointMaps, SliceBoxes
from postproc.device_peaks import device_peaks
from postproc.linking import link_boxes
from postproc.peaks import map_candidates, map_radius, peak_candidates
from postproc.points import point_candidates
from tomograms.masks import held_by
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram


def to_candidates(
    output: Maps | SliceBoxes,
    particles: Sequence[Particle],
    voxel_size: float,
    *,
    experiment: str,
    member: str,
    model: str,
    device: str = "cpu",
) -> pd.DataFrame:
    """Return the candidates of one tomogram.

    Parameters
    ----------
    output
        What a network predicts.
    particles
        Every species.
    voxel_size
        Å.
    experiment, member, model
        Written into the rows.
    device
        Where the peaks of class maps are looked for: ``auto``, ``cpu`` or ``cuda[:N]``.
    """
    names = {"experiment": experiment, "member": member, "model": model}
    if isinstance(output, SliceBoxes):
        return link_boxes(output, particles, voxel_size, **names)
    if isinstance(output, PointMaps):
        return point_candidates(output, particles, voxel_size, **names)
    assert isinstance(output, ClassMaps)
    where = resolve_device(device)
    if where.type == "cpu":
        return map_candidates(output, particles, voxel_size, **names)
    radii = [map_radius(particle, output, voxel_size) for particle in particles]
    peaks = device_peaks(output, [particle.label for particle in particles], radii, where)
    return peak_candidates(peaks, output, particles, voxel_size, **names)


def within_mask(table: pd.DataFrame, tomogram: Tomogram) -> pd.DataFrame:
    """Return those of a tomogram's candidates that lie in its mask, if it has one."""
    if tomogram.mask is None:
        return table
    position = table[["x", "y", "z"]].to_numpy()
    return table[held_by(tomogram.mask, position, tomogram.voxel_size)].reset_index(drop=True)
