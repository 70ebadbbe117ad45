import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomograms.errors import InputError
from tomograms.files import read_json, replacing, write_json, write_text


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("b")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "b"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@given(
    st.dictionaries(
        st.text(max_size=5), st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.text())
    )
)
@settings(max_examples=50)
def test_json_round_trip_is_exact(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


def test_json_is_sorted_and_has_no_nan(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": 2})
    assert list(json.loads(path.read_text())) == ["a", "b"]
    with pytest.raises(ValueError, match=r"JSON"):
        write_json(path, {"a": math.nan})
    assert read_json(path) == {"a": 2, "b": 1}


def test_a_key_that_occurs_twice_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"objects": [{"weight": 1, "weight": 2}]}')
    with pytest.raises(InputError, match=r"a.json: expected each key of an object once, but weight occurs twice"):
        read_json(path)


def test_a_text_may_name_a_path_that_is_not_utf_8(tmp_path):
    write_text(tmp_path / "a.txt", "data in d\udce9")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "data in d\\udce9"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"points"])
def test_what_is_not_json_is_named(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.json: expected JSON"):
        read_json(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a.json: no such file"):
        read_json(tmp_path / "a.json")
