import argparse

import pytest

from submissions import make, pick
from tomograms.options import Several


@pytest.mark.parametrize("default", [None, ["auto"], []])
def test_what_is_given_twice_counts_twice_and_replaces_the_default(default):
    options = argparse.ArgumentParser()
    options.add_argument("--name", nargs="+", action=Several, default=default)
    assert options.parse_args([]).name == default
    assert options.parse_args(["--name", "a", "b"]).name == ["a", "b"]
    assert options.parse_args(["--name", "a", "--name=-b", "--name", "c", "d"]).name == ["a", "-b", "c", "d"]
    assert options.parse_args([]).name == default


def test_no_tomogram_level_or_format_that_was_asked_for_is_forgotten():
    words = ["--tomograms", "A", "--tomograms", "B", "--to", "csv", "--to", "star", "--device", "cpu"]
    words += ["--threshold", "r=0.5", "--threshold", "a=0.2"]
    for given in (make.parser().parse_args(words), pick.parser().parse_args(["data", *words])):
        assert given.tomograms == ["A", "B"]
        assert given.threshold == ["r=0.5", "a=0.2"]
        assert given.to == ["csv", "star"]
        assert given.device == ["cpu"]
