import numpy as np

from tomograms.dataset import open_dataset
from tomograms.particles import CZII
from tomograms.simulator.mixtures import CYCLE, DENSITY, mixed_settings
from tomograms.simulator.settings import CZII_COUNTS
from tomograms.simulator.tree import main

ROUNDS = 2 * len(CZII) * len(CYCLE)


def present(number, seed=3):
    return {name for name, (_, high) in mixed_settings(number, seed, CZII).counts.items() if high}


def test_the_kinds_follow_each_other_and_each_species_is_alone_equally_often():
    alone = []
    for number in range(ROUNDS):
        kind, names = CYCLE[number % len(CYCLE)], present(number)
        expected = {"every": {len(CZII)}, "few": {2, 3}, "one": {1}, "none": {0}}[kind]
        assert len(names) in expected
        alone += names if kind == "one" else []
    assert {alone.count(particle.name) for particle in CZII} == {len(alone) // len(CZII)}


def test_every_number_is_named_and_those_that_are_present_lie_within_the_densities():
    for number in range(ROUNDS):
        counts = mixed_settings(number, 3, CZII).counts
        assert list(counts) == [particle.name for particle in CZII]  # none is left to `other_count`
        factors = [counts[name][0] / CZII_COUNTS[name][0] for name in present(number)]
        assert all(DENSITY[0] <= factor <= DENSITY[1] for factor in factors)


def test_settings_depend_on_seed_and_number_only():
    first = [mixed_settings(number, 3, CZII) for number in range(12)]
    assert first == [mixed_settings(number, 3, CZII) for number in reversed(range(12))][::-1]
    assert first[0] != mixed_settings(0, 4, CZII)


def test_the_command_writes_a_mixture(tmp_path):
    main([str(tmp_path), "--mixed", "--train", "5", "--test", "0", "--shape", "24", "40", "40", "--crowding", "9"])
    dataset = open_dataset(tmp_path)
    assert dataset.simulated and len(dataset.runs("train")) == 5  # empty picks are picks, too
    found = [set(dataset.picks(f"SIM_{number + 1}")["particle_type"]) for number in range(5)]
    assert all(names <= present(number, seed=0) for number, names in enumerate(found))
    assert found[0] and not found[4]
    assert np.isfinite(dataset.tomogram("SIM_5").volume).all()
