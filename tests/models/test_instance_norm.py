import copy

import pytest
import torch
from torch import nn

from models.instance_norm import ChannelsLastInstanceNorm3d, keep_channels_last


def by_definition(volume, weight, bias):
    mean = volume.mean((2, 3, 4), keepdim=True)
    variance = volume.var((2, 3, 4), keepdim=True, correction=0)
    return (volume - mean) / torch.sqrt(variance + 1e-5) * weight[:, None, None, None] + bias[:, None, None, None]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_values_and_gradients_are_those_of_the_definition(batch, affine, layout):
    """PyTorch's own gradient is wrong for a batch of one and a channels-last gradient from above, so it is no judge."""
    torch.manual_seed(0)
    norm = ChannelsLastInstanceNorm3d(5, affine=affine)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    weight, bias = (norm.weight, norm.bias) if affine else (torch.ones(5), torch.zeros(5))
    volume = (3 * torch.randn(batch, 5, 4, 6, 8) + 2).contiguous(memory_format=torch.channels_last_3d)
    above = torch.randn_like(volume).contiguous(memory_format=layout)
    ours, exact = volume.clone().requires_grad_(), volume.double().requires_grad_()
    (norm(ours) * above).sum().backward()
    expected = by_definition(exact, weight.detach().double(), bias.detach().double())
    (expected * above.double()).sum().backward()
    assert torch.allclose(norm(volume).double(), expected, atol=1e-5)
    assert torch.allclose(ours.grad.double(), exact.grad, atol=1e-5)


def test_channels_stay_last():
    volume = torch.randn(1, 8, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d)
    assert ChannelsLastInstanceNorm3d(8)(volume).is_contiguous(memory_format=torch.channels_last_3d)


def test_only_instance_norms_without_running_statistics_are_exchanged():
    network = nn.Sequential(nn.InstanceNorm3d(2), nn.InstanceNorm3d(2, track_running_stats=True), nn.BatchNorm3d(2))
    kinds = [type(module) for module in network]
    keys = set(network.state_dict())
    assert keep_channels_last(network) is network
    assert [type(module) for module in network] == [ChannelsLastInstanceNorm3d, *kinds[1:]]
    assert set(copy.deepcopy(network).state_dict()) == keys
