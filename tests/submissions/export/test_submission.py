import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postproc.candidates import concatenate, empty_candidates, make_candidates
from submissions.export.submission import SUBMISSION_COLUMNS, Extent, clip, read_submission, write_submission
from tomograms.coordinates import inside
from tomograms.errors import InputError
from tomograms.particles import CZII

EXTENTS = {"TS_1": Extent((10, 20, 30), 10.0), "TS_2": Extent((10, 20, 30), 10.0)}


def candidates():
    one = make_candidates("TS_1", "ribosome", [[1, 2, 3], [100.00049, 20, 30]], [0.2, 0.9], member="e", model="")
    two = make_candidates("TS_2", "beta-amylase", [[295.1, 194.9, -5.2]], [0.5], member="e", model="")
    return concatenate([two, one])


def write(tmp_path, *lines):
    path = tmp_path / "submission.csv"
    path.write_text("\n".join(["id,experiment,particle_type,x,y,z", *lines]) + "\n")
    return path


def refusal(path, extents=EXTENTS):
    with pytest.raises(InputError) as error:
        read_submission(path, particles=CZII, extents=extents)
    message = str(error.value)
    assert str(path) in message and "\n" not in message
    return message


def test_the_file_word_for_word(tmp_path):
    path = tmp_path / "submission.csv"
    write_submission(path, [clip(candidates(), EXTENTS)])
    assert path.read_text() == (
        "id,experiment,particle_type,x,y,z\n"
        "0,TS_1,ribosome,100.000,20.000,30.000\n"
        "1,TS_1,ribosome,1.000,2.000,3.000\n"
        "2,TS_2,beta-amylase,295.000,194.900,-5.000\n"
    )


def test_the_order_of_the_rows_does_not_matter(tmp_path):
    table = candidates()
    write_submission(tmp_path / "a.csv", [clip(table, EXTENTS)])
    write_submission(tmp_path / "b.csv", [clip(table.iloc[::-1], EXTENTS)])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_what_is_written_is_read_back_exactly(tmp_path):
    clipd = clip(candidates(), EXTENTS)
    write_submission(tmp_path / "submission.csv", [clipd])
    table = read_submission(tmp_path / "submission.csv", particles=CZII, extents=EXTENTS)
    assert list(table.columns) == SUBMISSION_COLUMNS
    assert table["id"].tolist() == [0, 1, 2]
    assert np.array_equal(table[["x", "y", "z"]], clipd[["x", "y", "z"]])


@given(
    position=st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 3), max_size=8),
    shape=st.tuples(*[st.integers(1, 700)] * 3),
    voxel_size=st.floats(1, 20),
)
@settings(max_examples=50)
def test_clipd_positions_lie_in_the_volume_and_hardly_move(position, shape, voxel_size):
    table = make_candidates("a", "ribosome", position, [0.5] * len(position), member="e", model="")
    clipd = clip(table, {"a": Extent(shape, voxel_size)})
    assert np.all(inside(clipd[["x", "y", "z"]].to_numpy(), shape, voxel_size))
    was_inside = inside(table[["x", "y", "z"]].to_numpy(), shape, voxel_size)
    was = {tuple(np.round(row, 1)) for row in table.loc[was_inside, ["x", "y", "z"]].to_numpy()}
    is_now = clipd[["x", "y", "z"]].to_numpy()
    for row in was:
        assert np.min(np.max(np.abs(is_now - row), axis=1)) <= 0.0521


def test_nothing_found_is_a_valid_submission(tmp_path):
    write_submission(tmp_path / "s.csv", [clip(empty_candidates(), {})])
    assert (tmp_path / "s.csv").read_text() == "id,experiment,particle_type,x,y,z\n"
    table = read_submission(tmp_path / "s.csv", particles=CZII, extents=EXTENTS)
    assert table.empty and list(table.columns) == SUBMISSION_COLUMNS


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        (["x,TS_1,ribosome,1,2,3"], 2, "'x'"),
        (["0.0,TS_1,ribosome,1,2,3"], 2, "'0.0'"),
        (["-1,TS_1,ribosome,1,2,3"], 2, "'-1'"),
        (["0,TS_1,ribosome,1,2,3", "0,TS_1,ribosome,1,2,4"], 3, "every id once"),
        (["0,TS_1,ribosome,1,2,3", "1,TS_1,Ribosome,1,2,4"], 3, "'Ribosome'"),
        (["0,TS_1,ribosome,nan,2,3"], 2, "'nan'"),
        (["0,TS_1,ribosome,,2,3"], 2, "''"),
        (["0,TS_1,ribosome,1,inf,3"], 2, "'inf'"),
        (["0,TS_1,ribosome,1,2,three"], 2, "'three'"),
        (["0,TS_9,ribosome,1,2,3"], 2, "'TS_9'"),
        (["0,TS_1,ribosome,1,2,3", "1,TS_1,ribosome,295.1,2,3"], 3, "[295.1, 2.0, 3.0]"),
        (["0,TS_1,ribosome,1,2,95.1"], 2, "inside the volume"),
        (["0,TS_1,ribosome,1,2"], 2, "6 fields"),
        (["0,,ribosome,1,2,3"], 2, "a value for experiment"),
        (["0,TS_1,ribosome,1,2,3", "", "1,TS_1,ribosome,1,2"], 4, "6 fields"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_value(tmp_path, lines, line, said):
    message = refusal(write(tmp_path, *lines))
    assert f"submission.csv: line {line}: expected " in message and said in message


def test_a_blank_line_is_passed_over(tmp_path):
    path = write(tmp_path, "0,TS_1,ribosome,1,2,3", "", "1,TS_1,ribosome,4,5,6", "")
    assert read_submission(path, particles=CZII, extents=EXTENTS)["x"].tolist() == [1, 4]


def test_a_run_called_na_is_a_run(tmp_path):
    path = write(tmp_path, "0,NA,ribosome,1,2,3")
    table = read_submission(path, particles=CZII, extents={"NA": Extent((10, 20, 30), 10.0)})
    assert table["experiment"].tolist() == ["NA"]


def test_too_many_fields(tmp_path):
    assert "6 fields" in refusal(write(tmp_path, "0,TS_1,ribosome,1,2,3,4"))


@pytest.mark.parametrize("header", ["id,experiment,particle_type,z,y,x", "experiment,particle_type,x,y,z", "\x00"])
def test_another_header_is_refused(tmp_path, header):
    path = tmp_path / "submission.csv"
    path.write_text(header + "\n")
    assert "expected" in refusal(path)


def test_an_empty_missing_or_binary_file_is_refused(tmp_path):
    path = tmp_path / "submission.csv"
    assert "no such file" in refusal(path)
    path.write_bytes(b"")
    assert "empty file" in refusal(path)
    path.write_bytes(b"\xff\xfe\x00\x81\n")
    refusal(path)
    refusal(tmp_path)


def test_without_volumes_experiments_are_unchecked(tmp_path):
    path = write(tmp_path, "0,elsewhere,ribosome,1e9,2,3")
    assert read_submission(path, particles=CZII)["x"].tolist() == [1e9]


def test_the_first_of_several_bad_lines_is_named(tmp_path):
    message = refusal(write(tmp_path, "0,TS_1,a,1,2,3", "1,TS_1,b,1,2,3"))
    assert "line 2" in message and "1 more" in message


def test_pandas_reads_it_as_the_official_metric_does(tmp_path):
    write_submission(tmp_path / "s.csv", [clip(candidates(), EXTENTS)])
    table = pd.read_csv(tmp_path / "s.csv")
    assert table["id"].dtype == np.int64 and table["x"].dtype == np.float64
