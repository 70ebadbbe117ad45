import itertools
import json

import mrcfile
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.folds import group_folds
from tomograms.dataset import open_dataset
from tomograms.errors import run_command
from tomograms.regions import cut
from tomograms.split import main

SIZE = 8.0
SHAPE = (10, 40, 90)
OBJECTS = [
    {"name": "small", "label": 1, "radius": 16.0, "is_particle": True, "metadata": {"weight": 2.0}},
    {"name": "large", "label": 2, "radius": 24.0, "is_particle": True},
]


def split(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, list(map(str, arguments)))
    return end.value.code


def write(folder, name="one", picks=True):
    """Write a tomogram whose picks lie on voxels that nothing else is as dark as; return their indices (z, y, x)."""
    folder.mkdir(exist_ok=True)
    index = np.array([[z, y, x] for z, y in ((2, 5), (7, 30)) for x in range(4, 90, 5)])
    volume = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    volume[tuple(index.T)] = -50 - np.arange(len(index))
    with mrcfile.new(folder / f"{name}.mrc") as file:
        file.set_data(volume)
        file.set_volume()
        file.voxel_size = SIZE
    (folder / "particles.json").write_text(json.dumps(OBJECTS))
    if picks:
        table = pd.DataFrame(index[:, ::-1] * SIZE, columns=["x", "y", "z"])
        table.insert(0, "particle_type", ["small", "large"] * (len(index) // 2))
        table.insert(0, "experiment", name)
        table.to_csv(folder / "picks.csv", index=False)
    return volume, index


def test_regions_are_tomograms_whose_picks_lie_where_they_did(tmp_path, capsys):
    volume, index = write(tmp_path / "data")
    assert split(tmp_path / "data", "--parts", 3, "--out", tmp_path / "parts") == 0
    parts = open_dataset(tmp_path / "parts")
    assert parts.particles == open_dataset(tmp_path / "data").particles
    assert parts.runs("train") == ("one_part1", "one_part2", "one_part3")
    assert len(group_folds(parts.runs("train"))) == 3
    seen = []
    for name in parts.runs("train"):
        own = parts.source.volume(name).read()
        table = parts.picks(name)
        place = np.rint(table[["z", "y", "x"]].to_numpy() / SIZE).astype(int)
        seen += own[tuple(place.T)].tolist()
        assert parts.voxel_size(name) == pytest.approx(SIZE)
    assert set(seen) <= set(volume[tuple(index.T)].tolist())
    gap = 6  # two radii of 24 Å
    kept = [x for x in index[:, 2] if not 26 <= x < 32 and not 58 <= x < 64]
    assert len(seen) == len(kept)
    assert f"{len(index) - len(kept)} in the gaps" in capsys.readouterr().out
    assert [region.low for region in cut(SHAPE, 3, gap)] == [0, 32, 64]


@given(st.integers(2, 6), st.integers(0, 9), st.integers(60, 200), st.integers(60, 200))
def test_regions_are_equal_and_a_gap_apart(parts, gap, height, width):
    regions = cut((4, height, width), parts, gap)
    lengths = [region.high - region.low for region in regions]
    assert max(lengths) - min(lengths) <= 1
    assert all(b.low - a.high == gap for a, b in itertools.pairwise(regions))
    assert (regions[0].low, regions[-1].high) == (0, max(height, width))
    assert regions[0].axis == (1 if height >= width else 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--parts", 1], "--parts: expected at least 2"),
        (["--parts", 9], "--parts: expected regions of at least 12 voxels"),
        (["--tomogram", "two"], "--tomogram: expected one with picks, one, but got 'two'"),
    ],
)
def test_what_cannot_be_cut_is_refused(tmp_path, capsys, arguments, said):
    write(tmp_path / "data")
    assert split(tmp_path / "data", "--out", tmp_path / "parts", *arguments) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "parts").exists()


def test_nothing_is_written_over_and_picks_are_needed(tmp_path, capsys):
    write(tmp_path / "data", picks=False)
    assert split(tmp_path / "data", "--out", tmp_path / "parts") == 2
    assert "none has any" in capsys.readouterr().err
    write(tmp_path / "more")
    assert split(tmp_path / "more", "--out", tmp_path / "data") == 2
    assert "expected an empty folder" in capsys.readouterr().err


def test_several_tomograms_are_held_out_whole(tmp_path, capsys):
    write(tmp_path / "data")
    first = (tmp_path / "data/picks.csv").read_text()
    write(tmp_path / "data", "two")
    second = (tmp_path / "data/picks.csv").read_text().split("\n", 1)[1]
    (tmp_path / "data/picks.csv").write_text(first + second)
    assert split(tmp_path / "data", "--out", tmp_path / "parts") == 2
    assert "2 have some" in capsys.readouterr().err
    assert split(tmp_path / "data", "--tomogram", "two", "--out", tmp_path / "parts") == 0
