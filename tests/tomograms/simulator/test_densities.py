import numpy as np
import pytest

from tomograms.particles import CZII
from tomograms.simulator.densities import NYQUIST_AMPLITUDE, from_beads, from_grid
from tomograms.simulator.library import built_in_species
from tomograms.simulator.structures import Beads, built_in


def centroid(density):
    index = np.indices(density.shape).reshape(3, -1)
    return index @ density.ravel() / density.sum() - len(density) // 2


def test_a_bead_becomes_the_envelope_at_its_place():
    position = np.array([[4.0, -13.0, 7.5]])  # xyz, Å
    density = from_beads("", Beads(position, np.array([1000.0])), 10.0).density
    # the envelope exp(log(a) k² / 0.25) is the transform of a Gaussian of this variance (voxels²)
    variance = -np.log(NYQUIST_AMPLITUDE) / 0.25 / (2 * np.pi**2)
    z, y, x = np.indices(density.shape) - len(density) // 2
    square = (x - 0.4) ** 2 + (y + 1.3) ** 2 + (z - 0.75) ** 2
    gaussian = 1000 * np.exp(-square / (2 * variance)) / (2 * np.pi * variance) ** 1.5
    k = np.fft.fftfreq(len(density))
    kept = k[:, None, None] ** 2 + k[:, None] ** 2 + k**2 < 0.12  # beyond lie the Gaussian's own aliases
    difference = np.fft.fftn(density - gaussian)[kept]
    assert np.abs(difference).max() < 0.02 * 1000
    assert density.sum() == pytest.approx(1000, rel=1e-5)


@pytest.mark.parametrize("voxel_size", [10.0, 13.3, 20.0])
def test_species_keep_mass_and_centre_at_any_voxel_size(voxel_size):
    for species in built_in_species(CZII, voxel_size):
        assert species.density.sum() == pytest.approx(built_in(species.name).beads().weight.sum(), rel=1e-4)
        assert np.abs(centroid(species.density)).max() < 0.02
        assert len(species.density) % 2 == 0 and np.abs(species.density[0]).max() < 0.05 * species.density.max()


def test_nothing_is_left_beyond_the_nyquist_frequency():
    density = built_in_species(CZII[3:4], 10.0)[0].density
    spectrum = np.abs(np.fft.fftn(density))
    k = np.fft.fftfreq(len(density))
    beyond = k[:, None, None] ** 2 + k[:, None] ** 2 + k**2 > 0.2501
    assert spectrum[beyond].max() < 1e-5 * spectrum.max()


def test_outline_fills_the_particle_and_its_holes():
    ferritin = built_in_species(CZII[:1], 10.0)[0]
    radius = np.linalg.norm(ferritin.outline, axis=1)
    assert radius.min() == 0  # the cavity is taken, too
    assert 55 <= radius.max() <= 75
    assert ferritin.reach == radius.max()


def gaussian(size, voxel_size, sigma, centre):
    z, y, x = [(np.arange(size) - c) * voxel_size for c in centre]
    square = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2
    return (np.exp(-square / (2 * sigma**2)) * voxel_size**3 / (2 * np.pi * sigma**2) ** 1.5).astype(np.float32)


@pytest.mark.parametrize("grid_voxel_size", [5.0, 7.7, 10.0])
def test_a_grid_is_resampled_exactly(grid_voxel_size):
    size, centre = 40, (18.3, 20.9, 19.5)
    grid = gaussian(size, grid_voxel_size, 25.0, centre)
    density = from_grid("", grid, np.array(centre), grid_voxel_size, voxel_size=10.0, radius=80).density
    envelope = -np.log(NYQUIST_AMPLITUDE) / 0.25 / (2 * np.pi**2) * 10.0**2  # Å²
    middle = len(density) // 2
    expected = gaussian(len(density), 10.0, np.sqrt(25.0**2 + envelope), (middle,) * 3)
    assert np.abs(density - expected).max() < 0.01 * expected.max()


def test_a_coarse_grid_has_no_mirror_image_beyond_its_own_nyquist_frequency():
    centre = np.array([10.0, 10.0, 10.0])
    density = from_grid("", gaussian(21, 20.0, 30.0, centre), centre, 20.0, voxel_size=10.0, radius=80).density
    spectrum = np.abs(np.fft.fftn(density))
    assert spectrum[:, :, np.abs(np.fft.fftfreq(len(density))) > 0.26].max() < 1e-5 * spectrum.max()
