"""Picks of many tomograms in one file: what goes in comes out, some tomograms at a time."""

import numpy as np
import pandas as pd
import pytest

from postproc.candidates import concatenate, empty_candidates, make_candidates
from submissions.export import spool as spooling
from submissions.export import submission as submitting
from submissions.export.spool import Spool
from submissions.export.submission import Extent, check_written, clip, read_submission, write_submission
from tomograms.errors import InputError
from tomograms.particles import CZII

EXTENTS = {f"T_{number}": Extent((10, 20, 30), 10.0) for number in range(7)}


def picks(name, seed, count=5):
    generator = np.random.default_rng(seed)
    tables = [
        make_candidates(
            name,
            particle.name,
            generator.uniform(0, 90, (count, 3)),
            generator.choice([0.25, 0.5, 1 / 3], count),
            member="ensemble",
            model="mean",
        )
        for particle in CZII[:2]
    ]
    return clip(concatenate(tables), EXTENTS)


@pytest.fixture
def filled(tmp_path):
    """Return a spool of five tomograms in two files, one tomogram without picks, and their picks in order."""
    tables = {name: picks(name, seed) for seed, name in enumerate(("T_3", "T_0", "T_5", "T_1"))}
    tables["T_2"] = empty_candidates()
    with (tmp_path / "a").open("w+b") as one, (tmp_path / "b").open("w+b") as other:
        first, second = Spool(one, CZII), Spool(other, CZII)
        for number, (name, table) in enumerate(tables.items()):
            (first if number % 2 else second).add(name, table)
        first.take(other, second.places)
        yield first, concatenate(list(tables.values()))


def test_what_goes_in_comes_out_in_the_order_of_names(filled):
    spool, whole = filled
    assert spool.names == ["T_0", "T_1", "T_2", "T_3", "T_5"]
    pd.testing.assert_frame_equal(pd.concat(spool.tables(), ignore_index=True), whole)
    for name in spool.names:
        own = whole[whole["experiment"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(spool.read(name), own)
    species = CZII[1].name
    pd.testing.assert_frame_equal(spool.of(species), whole[whole["particle_type"] == species].reset_index(drop=True))
    assert spool.of(CZII[5].name).empty


@pytest.mark.parametrize("rows", [1, 11, 25, 1000])
def test_a_submission_is_the_same_whatever_is_handed_on_at_a_time(filled, tmp_path, monkeypatch, rows):
    spool, whole = filled
    for module in (spooling, submitting):
        monkeypatch.setattr(module, "ROWS", rows)
    parts = list(spool.parts())
    assert [name for names, _ in parts for name in names] == spool.names
    assert all(len(table) < rows + 10 for _, table in parts)  # one tomogram more at most
    assert write_submission(tmp_path / "parts.csv", spool.tables()) == len(whole)
    write_submission(tmp_path / "whole.csv", [whole])
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert check_written(tmp_path / "parts.csv", particles=CZII, extents=EXTENTS) == len(whole)
    assert read_submission(tmp_path / "parts.csv", particles=CZII, extents=EXTENTS)["id"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((b"\n30,", b"\n29,"), r"line 32: expected ids that count from 0, but got '29'"),
        ((b"\n30,T_", b"\n30,X_"), r"line 32: expected one of the experiments"),
        ((b"\n30,", b"\n30,,"), r"line 32: expected 6 fields"),
        ((b"id,", b"ID,"), r"line 1: expected the header"),
    ],
)
def test_what_is_wrong_far_down_is_said_with_its_line(filled, tmp_path, monkeypatch, changes, said):
    monkeypatch.setattr(submitting, "ROWS", 7)
    path = tmp_path / "s.csv"
    write_submission(path, filled[0].tables())
    path.write_bytes(path.read_bytes().replace(*changes))
    with pytest.raises(InputError, match=said):
        check_written(path, particles=CZII, extents=EXTENTS)


def test_no_tomogram_gives_the_header(tmp_path):
    with (tmp_path / "a").open("w+b") as file:
        assert write_submission(tmp_path / "s.csv", Spool(file, CZII).tables()) == 0
    assert check_written(tmp_path / "s.csv", particles=CZII, extents={}) == 0
