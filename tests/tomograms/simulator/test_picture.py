import matplotlib.image
import numpy as np
import pytest

from tomograms.errors import InputError
from tomograms.particles import CZII
from tomograms.picks import make_truth
from tomograms.simulator.drawing import write_picture
from tomograms.simulator.picture import main
from tomograms.tomogram import Tomogram


def test_the_truth_is_drawn_on_the_right_half_only(tmp_path):
    volume = np.random.default_rng(0).normal(size=(24, 48, 48)).astype(np.float32)
    picks = make_truth("a", "ribosome", [[240.0, 240.0, 120.0]])
    write_picture(tmp_path / "a.png", Tomogram("a", volume, 10.0), picks, CZII)
    image = matplotlib.image.imread(tmp_path / "a.png")[..., :3]
    coloured = np.ptp(image, axis=2) > 0.3
    slices = coloured[: int(0.85 * len(image))]
    assert slices[:, slices.shape[1] // 2 :].sum() > 100 and not slices[:, : slices.shape[1] // 2].any()


def test_the_command_writes_a_picture(tmp_path):
    main([str(tmp_path / "b.png"), "--shape", "16", "40", "40"])
    assert (tmp_path / "b.png").stat().st_size > 1000
    with pytest.raises(InputError, match="at least 8 voxels"):
        main([str(tmp_path / "b.png"), "--shape", "2", "40", "40"])
