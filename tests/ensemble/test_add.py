"""Candidates of other tools: what is taken over, and one clear line for each mistake."""

import pandas as pd
import pytest

from ensemble.add import added_path, keep_added, load_added, parse_additions, read_added
from tests.ensemble.synthetic import PAIR
from tomograms.coordinates import Extent
from tomograms.errors import InputError

RUNS = ("TS_0", "TS_1")
ROWS = [
    ("TS_0", "easy", 10.0, 20.0, 30.0, 17.5),
    ("TS_0", "hard", 10.0, 20.0, 30.0, -2.0),
    ("TS_1", "easy", 11.0, 21.0, 31.0, 0.25),
    ("test_1", "easy", 12.0, 22.0, 32.0, 0.1 + 0.2),
]
HEADER = "experiment,particle_type,x,y,z,score"


@pytest.fixture
def csv(tmp_path):
    def write(rows=ROWS, header=HEADER):
        path = tmp_path / "other.csv"
        path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
        return path

    return write


def read(path):
    return read_added(path, member="other", particles=PAIR, held_out=RUNS)


def test_rows_are_taken_over_exactly_and_in_order(csv):
    table = read(csv([ROWS[3], ROWS[1], ROWS[2], ROWS[0]]))
    assert table[["experiment", "particle_type", "x", "y", "z", "score"]].values.tolist() == [list(r) for r in ROWS]
    assert set(table["member"]) == {"other"} and set(table["model"]) == {"mean"}


def test_an_id_and_other_columns_are_left_out(csv):
    table = read(csv([(7, *row) for row in ROWS], header="id," + HEADER))
    pd.testing.assert_frame_equal(table, read(csv()))


def test_units_are_heeded(csv):
    rows = [(*row[:2], *(value / 10 for value in row[2:5]), row[5]) for row in ROWS]
    table = read(csv([(*row, "nm") for row in rows], header=HEADER + ",unit"))
    assert table[["x", "y", "z"]].to_numpy() == pytest.approx(read(csv())[["x", "y", "z"]].to_numpy())
    voxels = csv([(*row, "voxel") for row in rows], header=HEADER + ",unit")
    sizes = {name: Extent((64, 64, 64), 10.0) for name in (*RUNS, "test_1")}
    again = read_added(voxels, member="other", particles=PAIR, held_out=RUNS, extents=sizes)
    pd.testing.assert_frame_equal(again, table)
    del sizes["test_1"]
    with pytest.raises(InputError, match=r"line 5: expected a tomogram that is at hand, .* in its voxels, but got 'te"):
        read_added(voxels, member="other", particles=PAIR, held_out=RUNS, extents=sizes)
    with pytest.raises(InputError, match=r"line 2: expected the unit angstrom, .*, but got 'µm'"):
        read(csv([(*row, "µm") for row in rows], header=HEADER + ",unit"))


def test_kept_rows_are_read_again_by_experiment(csv, run):
    table = read(csv())
    keep_added(run, "other", table)
    assert added_path(run, "other") == run.path / "added" / "other.parquet"
    assert load_added(run, "other", ["test_1"])["score"].tolist() == [0.1 + 0.2]
    assert len(load_added(run, "other", RUNS)) == 3
    with pytest.raises(InputError, match="no such file"):
        load_added(run, "missing", RUNS)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("TS_1", "odd", 1, 1, 1, 1), "line 6: expected a particle_type among easy, hard, but got 'odd'"),
        (("TS_1", "", 1, 1, 1, 1), "line 6: expected a value for particle_type"),
        (("", "easy", 1, 1, 1, 1), "line 6: expected a value for experiment"),
        (("TS_1", "easy", "nan", 1, 1, 1), "line 6: expected a finite number for x"),
        (("TS_1", "easy", 1, "", 1, 1), "line 6: expected a finite number for y"),
        (("TS_1", "easy", 1, 1, 1, "inf"), "line 6: expected a finite number for score"),
        (("TS_1", "easy", 1, 1, "deep", 1), "line 6: expected a finite number for z, but got 'deep'"),
        (
            ("TS_0", "easy", 10, 20, 30, 1),
            "line 6: expected each position of a species once, but got ['TS_0', 'easy', 10.0, 20.0, 30.0]",
        ),
    ],
)
def test_bad_row_is_one_line_that_names_it(csv, row, message):
    path = csv([*ROWS, row])
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: {message}") and "\n" not in str(error.value)


def test_a_blank_line_does_not_shift_the_number_that_is_reported(csv):
    path = csv([*ROWS, ("TS_1", "odd", 1, 1, 1, 1)])
    path.write_text(path.read_text(encoding="utf-8").replace("\n", "\n\n", 2), encoding="utf-8")
    with pytest.raises(InputError, match="line 8: expected a particle_type among easy, hard, but got 'odd'"):
        read(path)


def test_a_run_called_na_is_a_run(csv):
    assert read(csv([*ROWS, ("NA", "easy", 1, 1, 1, 1)]))["experiment"].tolist()[0] == "NA"


def test_missing_runs_columns_and_files_are_named(csv, tmp_path):
    with pytest.raises(InputError, match="none for TS_1"):
        read(csv([ROWS[0], ROWS[3]]))
    with pytest.raises(InputError, match="no score"):
        read(csv([row[:5] for row in ROWS], header=HEADER.removesuffix(",score")))
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "nowhere.csv")
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="expected a CSV file"):
        read(tmp_path / "empty.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="expected a CSV file"):
        read(tmp_path / "binary.csv")


def test_names_and_files_of_arguments():
    files = parse_additions(["crYOLO-2=a=b.csv", "tm_1=c.csv"], taken=["unet"])
    assert {name: str(path) for name, path in files.items()} == {"crYOLO-2": "a=b.csv", "tm_1": "c.csv"}


@pytest.mark.parametrize("argument", ["other", "=a.csv", "other=", "unet=a.csv", "ensemble=a.csv", "a/b=a.csv"])
def test_bad_arguments_are_refused(argument):
    with pytest.raises(InputError, match="--add"):
        parse_additions([argument], taken=["unet"])


def test_name_given_twice_is_refused():
    with pytest.raises(InputError, match="taken"):
        parse_additions(["other=a.csv", "other=b.csv"], taken=[])


def test_candidates_far_outside_their_volume_are_refused(csv):
    extents = {"TS_0": Extent((10, 10, 10), 10.0), "elsewhere": Extent((1, 1, 1), 1.0)}
    near = read_added(csv(), member="other", particles=PAIR, held_out=RUNS, extents=extents)
    assert len(near) == 4
    far = [*ROWS, ("TS_0", "easy", 9000.0, 20.0, 30.0, 0.5)]
    with pytest.raises(
        InputError,
        match=r"other.csv: line 6: expected x, y, z in Å within the volume of TS_0 \(-5 to 95, .*9000",
    ):
        read_added(csv(far), member="other", particles=PAIR, held_out=RUNS, extents=extents)
