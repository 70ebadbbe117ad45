from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sliding_window import VIEWS, blend_weight, plan_windows, predict_maps
from models.unet.network import UNET
from models.unet.settings import UNetSettings
from models.window_predictor import WindowPredictor, halved
from tomograms.errors import InputError
from tomograms.tomogram import Tomogram


class Pooling(torch.nn.Module):
    """A "network" without memory of its window: two classes, the stride-2 mean and its negative."""

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        mean = torch.nn.functional.avg_pool3d(volume, 2)
        return torch.cat([mean, -mean], 1)


class Slope(torch.nn.Module):
    """A local "network" of a scalar and a vector: the mean of each cell of 2 x 2 x 2, and where it rises."""

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        mean = torch.nn.functional.avg_pool3d(volume, 2)
        cells = volume.unfold(2, 2, 2).unfold(3, 2, 2).unfold(4, 2, 2)  # (1, 1, z, y, x, 2, 2, 2)
        rise = [(cells.select(axis, 1) - cells.select(axis, 0)).mean((-1, -2)) for axis in (5, 6, 7)]
        return torch.cat([mean, *rise], 1)


def maps(volume: np.ndarray, window=(16, 16, 16), overlap=0.25, views=1) -> np.ndarray:
    return predict_maps(
        volume,
        [Pooling()],
        channels=2,
        window=window,
        overlap=overlap,
        stride=2,
        multiple=8,
        views=views,
        device=torch.device("cpu"),
    )


def test_vectors_turn_with_their_view():
    volume = np.random.default_rng(0).normal(size=(16, 24, 40)).astype(np.float32)
    options = {"window": (16, 16, 16), "overlap": 0.25, "stride": 2, "multiple": 8, "device": torch.device("cpu")}
    one, other = (
        predict_maps(volume, [Slope()], channels=4, vectors=True, views=views, **options).astype(np.float32)
        for views in (1, 8)
    )
    np.testing.assert_allclose(one, other, atol=4e-3)
    z, y, x = (np.diff(volume, axis=axis) for axis in range(3))
    np.testing.assert_allclose(one[1, 0, 0, 0], z[0, :2, :2].mean(), atol=1e-3)
    np.testing.assert_allclose(one[2, 0, 0, 0], y[:2, 0, :2].mean(), atol=1e-3)
    np.testing.assert_allclose(one[3, 0, 0, 0], x[:2, :2, 0].mean(), atol=1e-3)


@pytest.mark.parametrize("views", [1, 2, 8])
@pytest.mark.parametrize("shape", [(16, 24, 40), (12, 20, 34), (8, 8, 8), (5, 9, 33)])
def test_windows_and_views_change_nothing_for_a_local_network(shape, views):
    volume = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    even = [n // 2 * 2 for n in shape]
    whole = volume[: even[0], : even[1], : even[2]]
    expected = whole.reshape(even[0] // 2, 2, even[1] // 2, 2, even[2] // 2, 2).mean((1, 3, 5))
    found = maps(volume, views=views)
    assert found.shape == (2, *(-(-n // 2) for n in shape))
    assert found.dtype == np.float16
    inner = found[0, : even[0] // 2, : even[1] // 2, : even[2] // 2]
    assert np.allclose(inner, expected, atol=2e-3)


@settings(max_examples=200)
@given(st.integers(1, 60), st.integers(1, 20), st.sampled_from([0.0, 0.125, 0.25, 0.5]))
def test_windows_cover_the_axis_and_overlap_enough(blocks, window_blocks, overlap):
    step, length, largest = 8, 8 * blocks, 8 * window_blocks
    (size, *others), corners = plan_windows((length, step, step), (largest, step, step), overlap, step)
    places = [corner[0] for corner in corners]
    assert others == [step, step] and all(corner[1:] == (0, 0) for corner in corners)
    assert size <= largest and size % step == 0
    assert places[0] == 0 and places[-1] + size == length
    assert all(place % step == 0 for place in places)
    gaps = np.diff(places)
    assert (gaps <= size * (1 - overlap) + step).all() and (gaps <= size).all()


@settings(max_examples=100)
@given(st.integers(1, 60), st.integers(2, 20), st.sampled_from([0.0, 0.125, 0.25]))
def test_no_fewer_windows_would_do(blocks, window_blocks, overlap):
    length, largest = 8 * blocks, 8 * window_blocks
    (size, *_), corners = plan_windows((length, 8, 8), (largest, 8, 8), overlap, 8)
    count = len(corners)
    assert count == 1 or largest * (count - 1 - (count - 2) * overlap) < length  # one less does not reach the end
    assert (size - 8) * (count - (count - 1) * overlap) < length  # nor do smaller windows


def test_a_full_size_tomogram_takes_four_large_windows():
    assert plan_windows((184, 632, 632), (192, 368, 368), 0.125, 8) == (
        (184, 344, 344),
        [(0, 0, 0), (0, 0, 288), (0, 288, 0), (0, 288, 288)],
    )


def test_blend_weights_are_symmetric_and_positive():
    weight = blend_weight((4, 6, 8))
    assert weight.shape == (4, 6, 8)
    assert weight.min() > 0
    assert np.allclose(weight, weight[::-1, ::-1, ::-1])


def test_the_views_are_distinct():
    assert len(set(VIEWS)) == len(VIEWS) == 8


def test_a_window_is_halved_along_its_longest_side_down_to_a_smallest():
    sizes, window = [], (192, 368, 368)
    while window is not None:
        sizes.append(window)
        window = halved(window)
    assert sizes[:4] == [(192, 368, 368), (192, 184, 368), (192, 184, 184), (96, 184, 184)]
    assert max(sizes[-1]) <= 64 and all(max(size) > 64 for size in sizes[:-1])


class Loud(Pooling):
    """A network that knows its place in a window, unlike others of its kind, and counts what it sees."""

    multiple = 8

    def __init__(self, seed):
        super().__init__()
        self.seed, self.seen = seed, 0

    def forward(self, volume):
        self.seen += 1
        out = super().forward(volume)
        generator = torch.Generator().manual_seed(self.seed)
        return out + torch.randn(out.shape[2:], generator=generator)


def unet(network, **options):
    return WindowPredictor(UNET, network, replace(UNetSettings(), precision="fp32", **options), 1, torch.device("cpu"))


@pytest.mark.parametrize("views", [1, 8])
def test_models_together_give_the_mean_of_what_each_gives(views):
    models = [unet(Loud(seed), window=(16, 24, 24)) for seed in range(3)]
    tomogram = Tomogram("TS", np.random.default_rng(0).normal(size=(13, 30, 38)).astype(np.float32), 10.0)
    told = []
    (mean,) = WindowPredictor.together(models, tomogram, views=views, advance=told.append)
    seen = [model.network.seen for model in models]
    expected = np.mean([m.predict(tomogram, views=views).logits.astype(np.float64) for m in models], axis=0)
    np.testing.assert_allclose(mean.logits, expected, atol=4e-3)  # of which each is rounded to fp16
    assert seen == [views * len(told)] * 3 and told[-1] == f"window {len(told)} of {len(told)}"


def test_models_that_cut_differently_do_not_go_together():
    models = [unet(Loud(0)), unet(Loud(1), overlap=0.5)]
    with pytest.raises(InputError, match=r"unet: expected all fold models to cut tomograms by .* different settings"):
        WindowPredictor.together(models, Tomogram("TS", np.zeros((8, 8, 8), np.float32), 10.0))


def test_memory_that_is_too_short_for_a_window_is_enough_for_half_of_it():
    """A network that refuses large windows stands for a small GPU; the windows' blend stays a whole map."""
    predictor = WindowPredictor(
        UNET, PoolingUNet(), replace(UNetSettings(), views=1, precision="fp32"), 1, torch.device("cpu")
    )
    tomogram = Tomogram("TS", np.random.default_rng(0).normal(size=(16, 96, 160)).astype(np.float32), 10.0)
    whole = predictor.predict(tomogram).logits
    assert predictor.window == UNetSettings().window and PoolingUNet.seen == [(16, 96, 160)]
    PoolingUNet.seen, PoolingUNet.largest = [], 16 * 96 * 90
    small = predictor.predict(tomogram).logits
    assert predictor.window == (16, 96, 80) and len(PoolingUNet.seen) > 2
    np.testing.assert_allclose(small.astype(np.float32), whole.astype(np.float32), atol=2e-3)
    PoolingUNet.seen = []
    predictor.predict(tomogram)
    assert max(size[2] for size in PoolingUNet.seen) <= 96  # no window is tried again that was too large
    PoolingUNet.largest = 1
    with pytest.raises(torch.OutOfMemoryError):
        predictor.predict(tomogram)


class PoolingUNet(Pooling):
    multiple = 8
    largest = 10**9
    seen: ClassVar = []

    def forward(self, volume):
        PoolingUNet.seen.append(tuple(volume.shape[2:]))
        if volume.numel() > PoolingUNet.largest:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(volume)
