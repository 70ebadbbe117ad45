from dataclasses import replace

import numpy as np
import pytest
import torch

from tomograms.simulator.imaging import MEAN_FREE_PATH, PHASE, damage, expose, transfer
from tomograms.simulator.tilts import tilt_series

FIELD, VOXEL_SIZE = (64, 64), 10.0


@pytest.fixture
def tilts(conditions):
    return tilt_series(conditions, np.random.default_rng(0))


def test_the_transfer_function_is_the_textbook_one(conditions, tilts):
    ctf = transfer(tilts, conditions, FIELD, VOXEL_SIZE, "cpu")[0, 0].numpy()
    k = np.fft.rfftfreq(64, VOXEL_SIZE)
    wavelength, defocus, aberration = 0.019687, 3e4, 2.7e7  # Å
    phase = np.pi * wavelength * defocus * k**2 - np.pi / 2 * aberration * wavelength**3 * k**4 + np.arcsin(0.08)
    assert np.allclose(ctf, -np.sin(phase), atol=1e-3)
    assert ctf[0] == pytest.approx(-0.08, abs=1e-4)  # matter is dark


def test_damage_grows_with_dose_and_frequency(tilts):
    left = damage(tilts, FIELD, VOXEL_SIZE, "cpu").numpy()
    k = 1 / 40
    critical = 0.24499 * k**-1.6649 + 2.8141
    assert left[7, 0, 16] == pytest.approx(np.exp(-tilts.dose_before[7] / (2 * critical)), rel=1e-4)
    assert np.all(np.diff(left[20, 0]) < 0) and np.all(left[0, 0, 1:] < left[20, 0, 1:])


def test_the_noise_is_that_of_the_electrons(conditions, tilts):
    matter = torch.zeros((41, *FIELD))
    ctf = transfer(tilts, conditions, FIELD, VOXEL_SIZE, "cpu")
    generator = torch.Generator().manual_seed(0)
    images = expose(matter, tilts, conditions, ctf=ctf, voxel_size=VOXEL_SIZE, generator=generator)
    electrons = tilts.dose * VOXEL_SIZE**2 * np.exp(-1500 / np.cos(tilts.angle) / MEAN_FREE_PATH)
    assert np.allclose(images.var(dim=(1, 2)).numpy() * electrons, 1, atol=0.12)
    assert torch.allclose(images.mean(dim=(1, 2)), torch.zeros(41), atol=1e-6)


def test_the_contrast_is_twice_the_phase_through_the_transfer_function(conditions, tilts):
    x = np.indices((64, 64))[1]
    wave = 500 * np.cos(2 * np.pi * x * 12 / 64)  # daltons per pixel
    matter = torch.from_numpy(np.tile(wave, (41, 1, 1))).float()
    bright = replace(conditions, thickness=1.0)
    ctf = transfer(tilts, conditions, FIELD, VOXEL_SIZE, "cpu")
    generator = torch.Generator().manual_seed(0)
    images = expose(matter, tilts, bright, ctf=ctf, voxel_size=VOXEL_SIZE, generator=generator).numpy()
    left = damage(tilts, FIELD, VOXEL_SIZE, "cpu").numpy()[:, 0, 12] * ctf[:, 0, 12].numpy()
    measured = 2 * np.mean(images * np.cos(2 * np.pi * x * 12 / 64), axis=(1, 2))
    expected = 2 * 500 * PHASE / VOXEL_SIZE**2 * left
    assert np.allclose(measured, expected, atol=4 * np.sqrt(2 / (tilts.dose * 100 * 64**2)))
