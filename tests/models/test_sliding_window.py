import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sliding_window import VIEWS, blend_weight, predict_maps, starts


class Pooling(torch.nn.Module):
    """A "network" without memory of its window: two classes, the stride-2 mean and its negative."""

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        mean = torch.nn.functional.avg_pool3d(volume, 2)
        return torch.cat([mean, -mean], 1)


def maps(volume: np.ndarray, window=(16, 16, 16), overlap=0.25, views=1) -> np.ndarray:
    return predict_maps(
        volume,
        Pooling(),
        classes=2,
        window=window,
        overlap=overlap,
        stride=2,
        multiple=8,
        views=views,
        device=torch.device("cpu"),
    )


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


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 60), st.integers(1, 20), st.sampled_from([0.0, 0.25, 0.5]))
def test_windows_cover_the_axis_and_overlap_enough(blocks, window_blocks, overlap):
    step, length, window = 8, 8 * blocks, 8 * window_blocks
    places = starts(length, window, overlap, step)
    assert places[0] == 0
    assert places[-1] == max(0, length - window)
    assert all(place % step == 0 for place in places)
    gaps = np.diff(places)
    assert (gaps <= window * (1 - overlap) + step).all()
    assert (gaps <= window).all()


def test_blend_weights_are_symmetric_and_positive():
    weight = blend_weight((4, 6, 8))
    assert weight.shape == (4, 6, 8)
    assert weight.min() > 0
    assert np.allclose(weight, weight[::-1, ::-1, ::-1])


def test_the_views_are_distinct():
    assert len(set(VIEWS)) == len(VIEWS) == 8
