import numpy as np
import pytest

from tomograms.dataset import open_dataset
from tomograms.errors import InputError
from tomograms.particles import CZII
from tomograms.simulator.library import built_in_species
from tomograms.simulator.settings import TRAINING
from tomograms.simulator.simulate import simulate
from tomograms.simulator.tree import main
from tomograms.simulator.writing import write_tree
from tomograms.tomogram import normalise

SHAPE = (24, 48, 48)


def test_a_tree_reads_back_as_it_was_simulated(tmp_path):
    species = built_in_species(CZII, TRAINING.voxel_size)
    write_tree(tmp_path, TRAINING, 7, SHAPE, runs={"train": ["A"], "test": ["B"]}, species=species)
    dataset = open_dataset(tmp_path)
    assert dataset.simulated and dataset.runs("train") == ("A",) and dataset.runs("test") == ("B",)
    for number, run in enumerate("AB"):
        tomogram, picks = simulate(TRAINING, (7, number), SHAPE, species=species, name=run)
        assert np.array_equal(dataset.tomogram(run).volume, normalise(tomogram.volume))
        found = dataset.picks(run)
        assert (found["particle_type"] == picks["particle_type"]).all()
        assert np.allclose(found[["x", "y", "z"]], picks[["x", "y", "z"]], atol=1e-3)


def test_the_command_writes_a_tree_and_no_second_one(tmp_path, capsys):
    arguments = [str(tmp_path / "tree"), "--train", "1", "--test", "0", "--shape", "24", "40", "40", "--crowding", "3"]
    main(arguments)
    assert "training runs: 1; test runs: 0" in capsys.readouterr().out
    assert open_dataset(tmp_path / "tree").runs("train") == ("SIM_1",)
    with pytest.raises(InputError, match="expected a folder without a data set, but it holds one"):
        main(arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--crowding", "400"], r"expected room for \d+ x [\w-]+ without overlaps"),
        (["--maps", "nowhere"], "nowhere: no such folder of maps"),
        (["--shape", "4", "40", "40"], "--shape: expected at least 8 voxels along each axis"),
        (["--train", "-1"], "--train, --test, --seed: expected no negative number"),
        (["--train", "0", "--test", "0"], "--train, --test: expected at least one run, but got 0 and 0"),
        (["--device", "cuda:99"], "--device: expected cpu or cuda.:N. that works, but got 'cuda:99' [(]"),
        (["--device", "gpu"], "--device: expected cpu or cuda.:N. that works, but got 'gpu' [(]"),
        (["--crowding", "-1"], "expected crowding as 0 <= low <= high, but got -1, -1"),
        (["--voxel-size", "0"], "expected a voxel size above 0 Å, but got 0"),
    ],
)
def test_bad_input_is_refused_in_clear_words(tmp_path, arguments, words):
    with pytest.raises(InputError, match=words):
        main([str(tmp_path / "tree"), "--shape", "24", "40", "40", *arguments])
    assert not (tmp_path / "tree" / "train").exists()
