import numpy as np
import torch

from tomograms.simulator.imaging import transfer
from tomograms.simulator.reconstruction import back_project, image_filter
from tomograms.simulator.tilts import tilt_series


def test_back_projection_agrees_with_a_loop(conditions):
    tilts = tilt_series(conditions, np.random.default_rng(0))
    shape, width = (19, 3, 11), 31
    images = np.random.default_rng(1).normal(size=(41, 3, width))
    volume = back_project(torch.from_numpy(images).float(), tilts, shape).numpy()
    for z, x in [(0, 0), (18, 10), (9, 5), (4, 8)]:
        seen = (x - 5) * np.cos(tilts.angle) + (z - 9) * np.sin(tilts.angle) + 15
        for y in range(3):
            expected = sum(np.interp(s, np.arange(width), image[y]) for s, image in zip(seen, images, strict=True))
            assert np.isclose(volume[z, y, x], expected, atol=1e-4)


def test_what_an_image_does_not_show_is_its_border(conditions):
    tilts = tilt_series(conditions, np.random.default_rng(0))
    volume = back_project(torch.ones(41, 2, 8), tilts, (30, 2, 8))
    assert torch.allclose(volume, torch.full((30, 2, 8), 41.0), atol=1e-3)


def test_the_filter_weights_tilts_and_ramps(conditions):
    tilts = tilt_series(conditions, np.random.default_rng(0))
    field = (32, 64)
    ctf = transfer(tilts, conditions, field, 10.0, "cpu")
    kernel = image_filter(tilts, conditions, ctf, field, 10.0).numpy()
    assert np.allclose(kernel[:, 0, 8] / kernel[20, 0, 8], np.cos(tilts.angle), atol=1e-5)
    look = np.exp(-np.log(2) * (np.fft.rfftfreq(64, 10.0) * conditions.resolution) ** 2)
    assert np.allclose(kernel[20, 0, 1:] / kernel[20, 0, 1], np.arange(1, 33) * look[1:] / look[1], rtol=1e-4)
    assert np.allclose(
        kernel[20, :, 0], kernel[20, 0, 1] / look[1] / 2 * kernel[20, :, 5] / kernel[20, 0, 5] * 1, rtol=1e-3
    )
