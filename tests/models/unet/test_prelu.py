import copy

import pytest
import torch
from torch import nn

from models.unet.prelu import QuickPReLU, quicken


@pytest.mark.parametrize("slope", [0.25, 0.0, -0.5, 1.5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_values_and_gradients_are_pytorchs(slope, layout):
    torch.manual_seed(0)
    volume = torch.randn(2, 3, 4, 6, 8, dtype=torch.float64).contiguous(memory_format=layout)
    volume[0, 0, 0, 0, :2] = 0.0
    above = torch.randn_like(volume)
    results = []
    for kind in (nn.PReLU, QuickPReLU):
        module, value = kind(1, slope).double(), volume.clone().requires_grad_()
        out = module(value)
        out.backward(above)
        assert out.is_contiguous(memory_format=layout)
        results.append((out.detach(), value.grad, module.weight.grad))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_slope_learns_from_bf16_as_from_float():
    torch.manual_seed(0)
    volume, gradients = torch.randn(1, 8, 8, 16, 16), []
    for dtype in (torch.float32, torch.bfloat16):
        module, value = QuickPReLU(), volume.detach().to(dtype).clone().requires_grad_()
        module(value).float().square().sum().backward()
        assert value.grad.dtype == dtype and module.weight.grad.dtype == torch.float32
        gradients.append(float(module.weight.grad))
    assert gradients[1] == pytest.approx(gradients[0], rel=0.01)


def test_only_single_slopes_are_exchanged_and_keys_stay():
    network = nn.Sequential(nn.PReLU(), nn.PReLU(3), nn.LeakyReLU())
    keys = set(network.state_dict())
    assert quicken(network) is network
    assert [type(module) for module in network] == [QuickPReLU, nn.PReLU, nn.LeakyReLU]
    assert set(copy.deepcopy(network).state_dict()) == keys
