import pytest
import torch
from torch import nn

from models.training.schedule import follow, learning_rate


def test_the_rate_rises_then_falls_to_a_hundredth():
    rates = [learning_rate((step + 1) / 100, peak=2.0, warmup=0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[9] == pytest.approx(2.0)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(0.02)
    assert learning_rate(0.0, peak=2.0, warmup=0.0) == 2.0


def test_the_average_follows_with_its_decay_and_copies_counters():
    average, network = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        network.weight += 1
        network.num_batches_tracked += 5
    follow(average, network, decay=0.9, step=1)  # so early, the decay is 1/10
    assert torch.allclose(average.weight, torch.full((2,), 1 + 0.9))
    assert int(average.num_batches_tracked) == 5
    follow(average, network, decay=0.9, step=1000)
    assert torch.allclose(average.weight, torch.full((2,), 2 - 0.1 * 0.9))
