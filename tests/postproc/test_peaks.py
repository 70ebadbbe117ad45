import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from models.outputs import ClassMaps
from postproc.candidates import COLUMNS
from postproc.device_peaks import device_peaks, gaussian
from postproc.peaks import (
    TRUNCATE,
    _log_normaliser,
    box_maximum,
    find_peaks,
    map_candidates,
    map_radius,
    peak_candidates,
)
from tomograms.particles import Particle

PARTICLES = (Particle("apo", 1, 60.0, 1.0), Particle("ribosome", 2, 150.0, 1.0))
VOXEL = 10.0


def blob_maps(centres: list[tuple[int, tuple[float, float, float]]], shape=(24, 32, 32), stride=2, origin=0.5):
    """Logits whose softmax is (nearly) a Gaussian of height 0.9 around each (label, map index)."""
    probability = np.full((3, *shape), 1e-6)
    grid = np.indices(shape)
    for label, centre in centres:
        radius = PARTICLES[label - 1].radius / (VOXEL * stride)
        squared = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
        probability[label] = np.maximum(probability[label], 0.9 * np.exp(-squared / (2 * (0.5 * radius) ** 2)))
    probability[0] = 1 - probability[1:].sum(0).clip(0, 0.999)
    return ClassMaps(np.log(probability).astype(np.float16), stride, (origin,) * 3)


def candidates(maps: ClassMaps):
    return map_candidates(maps, PARTICLES, VOXEL, experiment="TS_1", member="unet", model="TS_1/unet-0")


@settings(max_examples=20)
@given(st.tuples(st.floats(8, 15), st.floats(8, 23), st.floats(8, 23)), st.sampled_from([1, 2]))
def test_a_blob_is_found_within_an_angstrom(centre, label):
    found = candidates(blob_maps([(label, centre)]))
    best = found[found["particle_type"] == PARTICLES[label - 1].name].iloc[0]
    expected = (0.5 + 2 * np.array(centre))[::-1] * VOXEL
    assert np.abs(best[["x", "y", "z"]].to_numpy(float) - expected).max() < 1.0
    assert 0.3 < best["score"] <= 0.9


def test_no_constant_offset_over_many_blobs():
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(40):
        centre = tuple(rng.uniform(8, 15, 3))
        best = candidates(blob_maps([(1, centre)], shape=(24, 24, 24))).iloc[0]
        errors.append(best[["x", "y", "z"]].to_numpy(float) - (0.5 + 2 * np.array(centre))[::-1] * VOXEL)
    assert np.abs(np.mean(errors, 0)).max() < 0.2


def test_neighbours_further_than_the_separation_both_stay():
    # apo-ferritin: radius 3 map voxels
    found = candidates(blob_maps([(1, (12.0, 10.0, 10.0)), (1, (12.0, 10.0, 16.0))]))
    assert (found[found["particle_type"] == "apo"]["score"] > 0.3).sum() == 2


def test_species_do_not_suppress_each_other():
    found = candidates(blob_maps([(1, (12.0, 16.0, 16.0)), (2, (12.0, 16.0, 19.0))]))
    assert set(found[found["score"] > 0.2]["particle_type"]) == {"apo", "ribosome"}


def test_a_map_without_particles_gives_an_empty_table():
    found = candidates(blob_maps([]))
    assert len(found) == 0
    assert list(found.columns) == COLUMNS
    assert found["x"].dtype == np.float64


def test_mirrored_maps_give_mirrored_peaks():
    rng = np.random.default_rng(1)
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.random((20, 22, 24)), 2).astype(np.float32)
    noise = (noise - noise.min()) / np.ptp(noise)
    index, score = find_peaks(noise, 3.0)
    mirrored, same = find_peaks(np.ascontiguousarray(noise[:, :, ::-1]), 3.0)
    assert len(index) > 5
    assert score == pytest.approx(same, rel=1e-6)
    assert 23 - mirrored[:, 2] == pytest.approx(index[:, 2], abs=1e-3)


def test_a_plateau_gives_one_peak_at_its_centre():
    probability = np.zeros((24, 24, 24), np.float32)
    z, y, x = np.indices(probability.shape)
    probability[(z - 12) ** 2 + (y - 11) ** 2 + (x - 13) ** 2 <= 9] = 1.0
    index, score = find_peaks(probability, 6.0)
    assert len(index) == 1
    assert index[0] == pytest.approx([12, 11, 13], abs=0.05)
    assert 0.5 < score[0] <= 1


@pytest.mark.parametrize("shape", [(9, 12, 15), (1, 5, 40), (3, 2, 1)])
@pytest.mark.parametrize("size", [1, 3, 5, 7, 9, 15])
def test_the_box_maximum_is_scipys(shape, size):
    from scipy.ndimage import maximum_filter

    values = np.random.default_rng(size).random(shape, np.float32)
    assert np.array_equal(box_maximum(values, size), maximum_filter(values, size, mode="constant"))


def test_the_normaliser_makes_probabilities_add_up_to_one():
    from scipy.special import logsumexp

    logits = np.random.default_rng(0).normal(0, 20, (5, 3, 6, 7)).astype(np.float16)
    logits[2, 0] = 60_000  # nothing overflows
    found = _log_normaliser(logits)
    assert found.dtype == np.float32
    assert found == pytest.approx(logsumexp(logits.astype(np.float64), axis=0), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("shape", [(24, 32, 32), (5, 40, 9), (1, 12, 30)])
def test_peaks_on_a_device_are_those_of_numpy(shape):
    """On a CPU here, by the same code; thousands of noise peaks, at edges, too."""
    rng = np.random.default_rng(1)
    noise = np.stack([ndimage.gaussian_filter(rng.normal(size=shape), 1.5, mode="nearest") for _ in range(3)])
    maps = ClassMaps((8 * noise / noise.std()).astype(np.float16), 2, (0.5,) * 3)
    radii = [map_radius(particle, maps, VOXEL) for particle in PARTICLES]
    found = list(device_peaks(maps, [1, 2], radii, torch.device("cpu")))
    own = candidates(maps)
    table = peak_candidates(found, maps, PARTICLES, VOXEL, experiment="TS_1", member="unet", model="TS_1/unet-0")
    assert len(own) > 2
    pd.testing.assert_frame_equal(table, own, rtol=1e-5, atol=0.02)


@pytest.mark.parametrize("sigma", [0.3, 0.75, 2.0, 9.0])
def test_smoothing_on_a_device_is_that_of_scipy(sigma):
    values = np.random.default_rng(0).random((7, 20, 13), np.float32)
    expected = ndimage.gaussian_filter(values, sigma, mode="constant", truncate=TRUNCATE)
    np.testing.assert_array_equal(gaussian(torch.from_numpy(values), sigma).numpy(), expected)
