from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats

from tomograms.appearance import Appearance, appearance, bright_ones, unlike
from tomograms.tomogram import Tomogram, normalise

TRAINING = [Appearance(-0.8, 3.4, 2.4, 0.86, 1840.0), Appearance(-0.2, 2.6, 2.3, 0.84, 1840.0)]


def tomogram(volume):
    return Tomogram("TS_1", normalise(volume.astype(np.float32)), 10.0)


def scene(seed=0, shape=(48, 48, 48)):
    """Return smooth noise with dark balls."""
    rng = np.random.default_rng(seed)
    volume = ndimage.gaussian_filter(rng.normal(size=shape), 1.0) * 5
    centres = np.zeros(shape)
    centres[tuple(rng.integers(6, 42, (3, 12)))] = 1
    return volume - 4000 * ndimage.gaussian_filter(centres, 3.0)


def test_figures_against_scipy():
    volume = tomogram(np.random.default_rng(0).normal(size=(40, 40, 40)))
    found = appearance(volume)
    assert found.skewness == pytest.approx(0, abs=0.05)
    assert found.coarse == pytest.approx(8**-0.5, rel=0.02)
    assert (found.dark, found.bright) == pytest.approx((2.33, 2.33), rel=0.03)
    assert found.thickness == 400.0
    dark = tomogram(scene())
    means = ndimage.uniform_filter(dark.volume.astype(float), 2)[1:, 1:, 1:]
    assert appearance(dark).skewness == pytest.approx(stats.skew(means.ravel()), rel=0.01)


def test_tomograms_of_one_kind_are_alike_and_the_inverted_one_is_not():
    others = [appearance(tomogram(scene(seed))) for seed in (1, 2, 3)]
    assert unlike(appearance(tomogram(scene())), others) == ""
    assert unlike(appearance(tomogram(-scene())), others).startswith("contrast inverted (skewness +")


def test_smoothed_noisy_thin_and_oversampled_tomograms_are_said():
    others = [appearance(tomogram(scene(seed))) for seed in (1, 2, 3)]
    rng = np.random.default_rng(5)
    odd = {
        "finer than 2 voxels": [
            ndimage.gaussian_filter(scene(), 1.5),
            rng.normal(size=(48, 48, 48)),
            ndimage.zoom(scene(), 2, order=1),
        ],
        "thickness in Å 240": [scene()[:24]],
    }
    for words, volumes in odd.items():
        assert all(words in unlike(appearance(tomogram(volume)), others) for volume in volumes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"skewness": -0.05}, ""),
        ({"skewness": 0.09}, ""),
        ({"skewness": 0.5}, "contrast inverted (skewness +0.50, there -0.80 to -0.20)"),
        ({"dark": 9.0}, "darkest percent, robust deviations 9 (there 2.6 to 3.4)"),
        ({"bright": 1.0}, "brightest percent, robust deviations 1 (there 2.3 to 2.4)"),
        ({"coarse": 0.4}, "part of the variation that is finer than 2 voxels 0.9165 (there 0.5103 to 0.5426)"),
        ({"coarse": 0.96}, "part of the variation that is finer than 2 voxels 0.28 (there 0.5103 to 0.5426)"),
        ({"thickness": 900.0}, "thickness in Å 900 (there 1840 to 1840)"),
    ],
)
def test_what_is_said(change, words):
    assert unlike(replace(TRAINING[0], **change), TRAINING) == words


def test_without_others_nothing_is_said():
    assert unlike(replace(TRAINING[0], skewness=2.0), []) == ""


def test_blank_parts_do_not_matter():
    volume = scene()
    padded = np.zeros((48, 48, 96))
    padded[:, :, 24:72] = volume
    full, with_padding = (appearance(tomogram(v)) for v in (volume, padded))
    assert with_padding.skewness == pytest.approx(full.skewness, abs=0.2)
    assert with_padding.coarse == pytest.approx(full.coarse, rel=0.05)


def test_bright_particles_are_said_whether_in_some_tomograms_or_in_all():
    dark = {name: appearance(tomogram(scene(seed))) for seed, name in enumerate("AB")}
    bright = {name: appearance(tomogram(-scene(seed))) for seed, name in enumerate("CD")}
    noise = {"E": appearance(tomogram(np.random.default_rng(5).normal(size=(48, 48, 48))))}
    assert bright_ones(dark | noise) == ""
    some = bright_ones(dark | bright)
    assert some.startswith("contrast inverted, with bright particles where dark ones are expected")
    assert ", in C: +" in some and ", D: +" in some and some.endswith(", and not in the other 2")
    assert bright_ones(bright).count("+") == 2 and "other" not in bright_ones(bright)
