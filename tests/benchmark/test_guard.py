"""What must not grow, whatever the clock says: windows, voxels that the network computes, memory."""

import tracemalloc
from math import prod

import numpy as np
import pytest
import torch

from models.sliding_window import plan_windows, predict_maps
from models.unet.member import UNetMember
from postproc.peaks import map_candidates
from tests.benchmark.measure import memory_of
from tests.benchmark.scale import FULL_SHAPE, VOXEL_SIZE
from tests.benchmark.scenes import class_maps
from tomograms.ome_zarr import find_volume, open_store, write_volume
from tomograms.particles import CZII
from tomograms.tomogram import normalise

MULTIPLE = 8


class Counting(torch.nn.Module):
    """A network of two classes at half resolution that counts what it is given."""

    def __init__(self):
        super().__init__()
        self.calls = self.voxels = 0

    def forward(self, volume):
        self.calls += volume.shape[0]
        self.voxels += volume.numel()
        return torch.nn.functional.avg_pool3d(volume, 2).repeat(1, 2, 1, 1, 1)


def computed(shape, window, overlap):
    grown = [-(-n // MULTIPLE) * MULTIPLE for n in shape]
    size, corners = plan_windows(grown, window, overlap, MULTIPLE)
    return len(corners), len(corners) * prod(size) / prod(shape)


@pytest.mark.parametrize(("preset", "windows", "per_voxel"), [("demo", 4, 1.2), ("short", 4, 1.2), ("full", 4, 1.4)])
def test_windows_of_a_full_size_tomogram(preset, windows, per_voxel):
    """octopi's defaults take 507 windows of 96^3 and compute 6.1 voxels per voxel."""
    settings = UNetMember.presets[preset]
    count, share = computed(FULL_SHAPE, settings.window, settings.overlap)
    assert count <= windows
    assert share <= per_voxel


@pytest.mark.parametrize("shape", [(40, 90, 90), (24, 24, 24), (17, 33, 130)])
@pytest.mark.parametrize("views", [1, 4])
def test_the_network_sees_each_window_once_a_view(shape, views):
    network = Counting()
    predict_maps(
        np.zeros(shape, np.float32),
        [network],
        channels=2,
        window=(32, 32, 32),
        overlap=0.25,
        stride=2,
        multiple=MULTIPLE,
        views=views,
        device=torch.device("cpu"),
    )
    count, share = computed(shape, (32, 32, 32), 0.25)
    assert network.calls == views * count
    assert network.voxels == pytest.approx(views * share * prod(shape))


def test_voxels_per_voxel_approach_those_of_the_overlap():
    _, share = computed((64, 64, 6400), (64, 64, 64), 0.25)
    assert share == pytest.approx(1 / 0.75, rel=0.05)


def traced(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_peaks():
    """Beside the logits: a handful of maps of one species in float32."""
    maps, _ = class_maps((40, 100, 120), 1, noise=0.5)
    one = 4 * prod(maps.logits.shape[1:])
    peak = traced(lambda: map_candidates(maps, CZII, VOXEL_SIZE, experiment="a", member="b", model="c"))
    assert peak < 10 * one + 4_000_000


def test_memory_of_reading(tmp_path):
    """Beside the volume: a chunk, once as it is stored and once decoded."""
    volume = np.random.default_rng(0).standard_normal((320, 96, 96), np.float32)
    write_volume(tmp_path / "t.zarr", volume, VOXEL_SIZE)

    def read():
        out = find_volume(open_store(tmp_path / "t.zarr"), "t").read()
        normalise(out, out=out)

    read()
    assert traced(read) < volume.nbytes * (1 + 2.5 / 5) + 8_000_000


def test_memory_of_inference():
    """The blended maps are summed up in one array: no window's output is kept."""
    used = memory_of("inference", shape=(64, 160, 160), views=2, window=64)
    assert used["peak"] - used["base"] < 0.6
