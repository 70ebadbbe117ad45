import os
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch

from tomograms.errors import InputError
from tomograms.particles import CZII
from tomograms.simulator.library import built_in_species, varied_species
from tomograms.simulator.settings import TRAINING
from tomograms.simulator.stream import stream_tomograms
from tomograms.simulator.structures import built_in

SHAPE = (24, 32, 32)


def test_tomograms_differ_and_resume():
    species = partial(varied_species, CZII, TRAINING.voxel_size)
    first, second = islice(stream_tomograms(TRAINING, 1, SHAPE, species=species), 2)
    (resumed,) = islice(stream_tomograms(TRAINING, 1, SHAPE, species=species, start=1), 1)
    assert np.array_equal(second[0].volume, resumed[0].volume) and second[1].equals(resumed[1])
    assert first[0].name != second[0].name and not np.array_equal(first[0].volume, second[0].volume)
    assert first[0].volume.min() >= -12 and first[0].volume.max() <= 6  # normalised


def test_processes_that_simulate_ahead_give_the_same_tomograms_in_the_same_order(one_thread):
    species = partial(built_in_for, CZII, TRAINING.voxel_size)
    alone = islice(stream_tomograms(TRAINING, 1, SHAPE, species=species, start=3), 3)
    ahead = islice(stream_tomograms(TRAINING, 1, SHAPE, species=species, start=3, processes=2), 3)
    for (one, picks), (other, others) in zip(alone, ahead, strict=True):
        assert one.name == other.name and picks.equals(others) and np.array_equal(one.volume, other.volume)


@pytest.fixture
def one_thread():
    """As in the processes: sums differ in their last digits with the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def built_in_for(particles, voxel_size, rng):
    return built_in_species(particles, voxel_size)


def test_a_process_that_is_killed_ends_the_stream_in_a_line():
    stream = stream_tomograms(TRAINING, 1, SHAPE, species=killed, processes=1)
    with pytest.raises(InputError, match="one of 1 processes was killed"):
        next(stream)


def killed(rng):
    os._exit(9)


def test_shapes_that_are_not_well_known_vary_from_tomogram_to_tomogram():
    first, second = (varied_species(CZII, TRAINING.voxel_size, np.random.default_rng(i)) for i in range(2))
    known = built_in_species(CZII, TRAINING.voxel_size)
    for particle, one, other, fixed in zip(CZII, first, second, known, strict=True):
        assert one.name == other.name == fixed.name == particle.name
        same = one.density.shape == other.density.shape and np.array_equal(one.density, other.density)
        assert same == (built_in(particle.name).doubt == 0)
