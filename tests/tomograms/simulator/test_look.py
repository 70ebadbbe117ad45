import numpy as np
import torch

from tomograms.simulator.look import denoised, in_noise_units


def noisy():
    volume = np.random.default_rng(0).normal(5.0, 2.0, (24, 40, 40))
    volume[10:14, 18:24, 18:24] -= 20
    return torch.from_numpy(volume).float()


def test_units_are_those_of_the_noise():
    volume = in_noise_units(noisy())
    assert abs(float(volume.median())) < 0.01
    assert abs(float(volume[:8].std()) - 1) < 0.03


def test_no_strength_changes_the_unit_only():
    assert torch.allclose(denoised(noisy(), 0.0), in_noise_units(noisy()))


def test_matter_gains_on_noise_and_fringes_do_not():
    before, after = denoised(noisy(), 0.0), denoised(noisy(), 0.5)
    matter = (slice(11, 13), slice(19, 23), slice(19, 23))
    assert after[matter].mean() < 1.5 * before[matter].mean() < 0
    assert abs(float(after[:8].std()) - 1) < 0.1
    assert after.max() < 1.2 * before.max()
    assert torch.all((after < after.median()) == (before < before.median()))
