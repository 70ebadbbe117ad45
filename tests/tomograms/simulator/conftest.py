import numpy as np
import pytest

from tomograms.simulator.densities import Species, from_beads
from tomograms.simulator.scene import Scene
from tomograms.simulator.settings import Conditions
from tomograms.simulator.structures import Beads

VOXEL_SIZE = 10.0


@pytest.fixture
def conditions() -> Conditions:
    """A plain microscope: no misalignment, no correction, no denoising."""
    return Conditions(
        crowding=1.0,
        clustering=0.5,
        thickness=1500.0,
        half_range=60.0,
        step=3.0,
        dose=120.0,
        defocus=3.0,
        defocus_jitter=0.0,
        amplitude_contrast=0.08,
        misalignment=0.0,
        angle_error=0.0,
        contrast=1.0,
        tilt_weighting=1.0,
        correction=0.0,
        resolution=30.0,
        denoising=0.0,
    )


@pytest.fixture(scope="session")
def boomerang() -> tuple[Species, Beads]:
    """A protein without any symmetry, so that a wrong turn or a mirror image shows, and its beads."""
    rng = np.random.default_rng(5)
    arm, tip = rng.normal(size=(60, 3)) * (30, 8, 8), rng.normal(size=(40, 3)) * (8, 25, 8) + (45, 30, 10)
    position = np.concatenate([arm, tip])
    beads = Beads(position - position.mean(axis=0), np.full(100, 5000.0))
    return from_beads("boomerang", beads, VOXEL_SIZE), beads


@pytest.fixture
def empty_scene() -> Scene:
    return Scene((16, 32, 32), VOXEL_SIZE, (), (), np.empty((0, 3)), np.empty(0))
