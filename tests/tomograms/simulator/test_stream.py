from itertools import islice

import numpy as np
import pytest

from tomograms.errors import InputError
from tomograms.particles import CZII
from tomograms.simulator.library import built_in_species
from tomograms.simulator.settings import TRAINING
from tomograms.simulator.stream import stream_crops, stream_tomograms

SPECIES = built_in_species(CZII, TRAINING.voxel_size)
SHAPE = (24, 32, 32)


def test_tomograms_differ_and_resume():
    first, second = islice(stream_tomograms(TRAINING, 1, SHAPE, species=SPECIES), 2)
    (resumed,) = islice(stream_tomograms(TRAINING, 1, SHAPE, species=SPECIES, start=1), 1)
    assert np.array_equal(second[0].volume, resumed[0].volume) and second[1].equals(resumed[1])
    assert first[0].name != second[0].name and not np.array_equal(first[0].volume, second[0].volume)
    assert first[0].volume.min() >= -12 and first[0].volume.max() <= 6  # normalised


def test_crops_hold_their_picks():
    tomogram, picks = next(stream_tomograms(TRAINING, 2, (24, 96, 96), species=SPECIES))
    crops = list(islice(stream_crops(TRAINING, 2, SHAPE, species=SPECIES, per_tomogram=3), 3))
    whole = np.lib.stride_tricks.sliding_window_view(tomogram.volume, SHAPE)
    for crop, inside in crops:
        assert crop.volume.shape == SHAPE and crop.volume.flags.c_contiguous
        places = np.argwhere(whole[..., 0, 0, 0] == crop.volume[0, 0, 0])
        (low,) = [p for p in places if np.array_equal(whole[tuple(p)], crop.volume)]
        position = picks[["z", "y", "x"]].to_numpy() / tomogram.voxel_size - low
        kept = position[np.all((position >= -0.5) & (position <= np.array(SHAPE) - 0.5), axis=1)]
        found = inside[["z", "y", "x"]].to_numpy() / crop.voxel_size
        assert np.allclose(np.sort(found, axis=0), np.sort(kept, axis=0))
        assert set(inside["experiment"]) <= {crop.name}
    assert len({crop.name for crop, _ in crops}) == 3


def test_no_crops_are_refused():
    with pytest.raises(InputError, match="at least 1 crop per tomogram, but got 0"):
        next(stream_crops(TRAINING, 0, SHAPE, species=SPECIES, per_tomogram=0))
