"""A simulated tomogram and its truth, from settings and a seed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from tomograms.coordinates import inside, to_angstrom
from tomograms.picks import join_truth, make_truth
from tomograms.simulator import imaging, reconstruction
from tomograms.simulator.densities import Species
from tomograms.simulator.look import denoised
from tomograms.simulator.projection import project
from tomograms.simulator.scene import Scene, compose
from tomograms.simulator.settings import Conditions, Settings, draw
from tomograms.simulator.tilts import tilt_series
from tomograms.tomogram import Tomogram

BORDER = 24
"""Pixels around the images within which matter still counts: the transfer function carries it into them."""
SCALE = 7e-6
"""Real tomograms have values of this order."""


def simulate(
    settings: Settings,
    seed: int | Sequence[int],
    shape: tuple[int, int, int],
    *,
    species: Sequence[Species],
    name: str = "simulated",
    device: str = "cpu",
) -> tuple[Tomogram, pd.DataFrame]:
    """Return a simulated tomogram, and where its particles are.

    The same arguments give the same volume on one kind of device.

    Parameters
    ----------
    settings
        The ranges that the conditions are drawn from.
    seed
        Of everything.
    shape
        (z, y, x), voxels of ``settings.voxel_size``.
    species
        What is labelled: `library.built_in_species` or `library.read_species`.
    name
        The run's.
    device
        ``cpu`` or ``cuda``.

    Returns
    -------
    The tomogram (float32, not normalised, dark particles), and the table ``experiment, particle_type, x, y, z`` (Å) of
    the labelled particles whose centres lie inside.

    Raises
    ------
    InputError
        If there is no room for the particles.
    """
    rng = np.random.default_rng(seed)
    conditions = draw(settings, rng)
    scene = compose(settings, conditions, species, shape, rng)
    volume = image_scene(scene, conditions, seed=int(rng.integers(2**62)), device=device)
    return Tomogram(name, volume.cpu().numpy(), settings.voxel_size), truth(scene, name)


def image_scene(scene: Scene, conditions: Conditions, *, seed: int, device: str = "cpu") -> torch.Tensor:
    """Return the tomogram of a sample, ``(z, y, x)`` float32, in units of its own noise x `SCALE`."""
    rng = np.random.default_rng(seed)
    tilts = tilt_series(conditions, rng)
    depth, height, length = scene.shape
    reach = np.abs(tilts.angle).max()
    width = int(np.ceil(length + depth * np.sin(reach)))
    field = (_even(height + 2 * BORDER), _even(width + 2 * BORDER))
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    ctf = imaging.transfer(tilts, conditions, field, scene.voxel_size, device)
    images = imaging.expose(
        project(scene, tilts, field, device),
        tilts,
        conditions,
        ctf=ctf,
        voxel_size=scene.voxel_size,
        generator=generator,
    )
    kernel = reconstruction.image_filter(tilts, conditions, ctf, field, scene.voxel_size)
    images = torch.fft.irfftn(torch.fft.rfftn(images, dim=(1, 2)) * kernel, s=field, dim=(1, 2))
    rows = (field[0] - height) / 2
    images = images[:, int(rows) : int(rows) + height]
    return denoised(reconstruction.back_project(images, tilts, scene.shape), conditions.denoising) * SCALE


def truth(scene: Scene, name: str) -> pd.DataFrame:
    """Return the picks table of the labelled particles whose centres lie in the tomogram."""
    parts = []
    for species, poses in zip(scene.species, scene.poses, strict=True):
        xyz = to_angstrom(poses.position, scene.voxel_size)
        if species.name:
            parts.append(make_truth(name, species.name, xyz[inside(xyz, scene.shape, scene.voxel_size)]))
    return join_truth(parts)


def _even(number: int) -> int:
    return number + number % 2
