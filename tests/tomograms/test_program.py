import os
import shlex
import subprocess
from pathlib import Path

import pytest

from submissions.make import parser
from tomograms.program import command_line, quoted


def test_a_hint_comes_back_whatever_names_and_paths_begin_with():
    options = {
        "--run": "-x",
        "--data": Path("-d (2)"),
        "--out": None,
        "--tomograms": ["-1e5", "NA", "--run", "it's"],
        "--to": ("star", "csv"),
        "--name-prefix": "",
    }
    words = shlex.split(command_line("submissions.make", options=options.items()))
    assert words[:3] == ["python", "-m", "submissions.make"]
    given = parser().parse_args(words[3:])
    assert (given.run, given.data, given.out, given.to) == ("-x", Path("-d (2)"), None, ["star", "csv"])
    assert sorted(given.tomograms) == sorted(options["--tomograms"])
    assert given.name_prefix == ""


def test_a_path_without_an_option_is_no_option():
    assert command_line("submissions.pick", Path("-d"), Path("/a b")) == "python -m submissions.pick ./-d '/a b'"


@pytest.mark.parametrize("name", [b"d\xe9", b"a\nb\tc'\\$x", "é".encode()])
def test_bytes_that_cannot_be_printed_are_pasted(name):
    word = os.fsdecode(name)
    line = quoted(word)
    assert line.isprintable()
    done = subprocess.run(["bash", "-c", f"printf %s {line}"], capture_output=True, check=True)
    assert done.stdout == name
