import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tomograms.trees import VOXEL_SIZE, picks_folder, write_tree
from tomograms.dataset import open_dataset
from tomograms.errors import InputError
from tomograms.picks import (
    TRUTH_COLUMNS,
    Choice,
    join_truth,
    make_truth,
    parse_pick_set,
    pick_set_name,
    read_truth,
    write_pick_set,
    write_truth,
)

coordinate = st.floats(-1e5, 1e5)
points_lists = st.lists(st.tuples(coordinate, coordinate, coordinate), max_size=8)


def parse(points, source="Picks/ribosome.json", **more):
    return parse_pick_set(json.dumps({"points": points, **more}), source)


def point(x=1.0, y=2.0, z=3.0, **more):
    return {"location": {"x": x, "y": y, "z": z}, **more}


def test_the_table_has_a_total_order_and_fixed_types():
    table = make_truth("TS_1", ["b", "a", "a", "a"], [(0, 0, 0), (9, 9, 5), (3, 1, 5), (1, 9, 4)])
    assert list(table.columns) == TRUTH_COLUMNS
    assert table[["particle_type", "x", "y", "z"]].to_numpy().tolist() == [
        ["a", 1.0, 9.0, 4.0],
        ["a", 3.0, 1.0, 5.0],
        ["a", 9.0, 9.0, 5.0],
        ["b", 0.0, 0.0, 0.0],
    ]


def test_empty_tables_have_the_same_columns_and_types():
    full, empty = make_truth("a", "b", [(1, 2, 3)]), make_truth("a", [], [])
    assert len(empty) == 0
    assert empty.dtypes.equals(full.dtypes)
    assert join_truth([]).dtypes.equals(full.dtypes)
    assert join_truth([empty, full]).equals(full)


@given(points_lists)
@settings(max_examples=25)
def test_csv_round_trip_is_exact_whatever_the_order(tmp_path_factory, points):
    path = tmp_path_factory.getbasetemp() / "truth.csv"
    table = make_truth("TS_1", "ribosome", points)
    write_truth(path, table.iloc[::-1])
    assert read_truth(path).equals(table)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a CSV file"),
        ("experiment,x,y,z\nTS_1,1,2,3\n", "got no particle_type"),
        (
            "experiment,particle_type,x,y,z\nTS_1,a,1,2,3\nTS_1,a,1,left,3\n",
            "line 3: .* number for y, but got 'left'",
        ),
        ("experiment,particle_type,x,y,z\nTS_1,a,1,2,\n", "line 2: expected a finite number for z, but got ''"),
        ("experiment,particle_type,x,y,z\nTS_1,a,inf,2,3\n", "line 2: expected a finite number for x, but got 'inf'"),
        ("experiment,particle_type,x,y,z\nTS_1,,1,2,3\n", "line 2: expected a value for particle_type, but got ''"),
    ],
)
def test_faulty_csv_is_named(tmp_path, content, message):
    path = tmp_path / "truth.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=f"truth.csv: .*{message}"):
        read_truth(path)


def test_a_missing_csv_is_named(tmp_path):
    with pytest.raises(InputError, match=r"truth.csv: no such file"):
        read_truth(tmp_path / "truth.csv")


@pytest.mark.parametrize("name", ["007", "NA", "null", "nan", "1e5"])
def test_run_names_that_look_like_something_else_stay_text(tmp_path, name):
    write_truth(tmp_path / "a.csv", make_truth(name, "a", [(1, 2, 3)]))
    assert read_truth(tmp_path / "a.csv").experiment.tolist() == [name]


def test_a_blank_line_does_not_shift_the_number_that_is_reported(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text("\n" + ",".join(TRUTH_COLUMNS) + "\n\nTS_1,a,1,2,3\n\nTS_1,a,1,2,x\n")
    with pytest.raises(InputError, match=r"truth.csv: line 6: expected a finite number for z, but got 'x'$"):
        read_truth(path)


@pytest.mark.parametrize(
    ("stem", "parts"),
    [
        ("ribosome", (None, None, "ribosome")),
        ("curation_0_ribosome", ("curation", "0", "ribosome")),
        ("a_b_c_d", ("a", "b", "c_d")),
        ("a_b", (None, None, "a_b")),
    ],
)
def test_names_of_files(stem, parts):
    assert pick_set_name(stem) == parts


def test_the_file_name_decides_and_the_content_fills_the_gaps():
    content = {"user_id": "ann", "session_id": 7}
    assert (parse([], **content).user, parse([], **content).session) == ("ann", "7")
    named = parse([], "Picks/bob_2_ribosome.json", **content)
    assert (named.user, named.session, named.particle_type) == ("bob", "2", "ribosome")
    assert (parse([]).user, parse([]).session) == ("", "")


def test_the_centre_is_the_location_shifted_by_the_transformation():
    matrix = [[0, 1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]]
    picks = parse([point(), point(transformation_=matrix), point(transformation_=None)])
    assert picks.position.tolist() == [[1, 2, 3], [11, 22, 33], [1, 2, 3]]


def test_no_points_no_rows():
    assert parse([]).position.shape == (0, 3)


@given(points_lists)
@settings(max_examples=25)
def test_json_round_trip_is_exact(tmp_path_factory, points):
    path = tmp_path_factory.getbasetemp() / "ann_3_ribosome.json"
    position = np.array(points, float).reshape(-1, 3)
    write_pick_set(path, position, user="ann", session="3", run="TS_1")
    picks = parse_pick_set(path.read_bytes(), str(path))
    assert np.array_equal(picks.position, position)
    assert (picks.user, picks.session, picks.particle_type) == ("ann", "3", "ribosome")


@pytest.mark.parametrize("text", ["", "{", "points", b"\xff\xfe\x00"])
def test_not_json(text):
    with pytest.raises(InputError, match=r"Picks/ribosome.json: expected JSON"):
        parse_pick_set(text, "Picks/ribosome.json")


@pytest.mark.parametrize("text", ["[]", "3", "{}", '{"points": null}', '{"points": {"x": 1}}'])
def test_no_list_of_points(text):
    with pytest.raises(InputError, match=r"Picks/ribosome.json: expected a JSON object with a list of points"):
        parse_pick_set(text, "Picks/ribosome.json")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (3, "expected a location"),
        ({}, "expected a location"),
        ({"location": [1, 2, 3]}, "expected a location"),
        ({"location": {"x": 1, "y": 2}}, "finite number of Å for z, but got null"),
        (point(y="2"), 'finite number of Å for y, but got "2"'),
        (point(x=True), "finite number of Å for x, but got true"),
        (point(x=float("nan")), "finite number of Å for x, but got NaN"),
        (point(z=float("inf")), "finite number of Å for z, but got Infinity"),
        (point(z=10**400), "finite number of Å for z"),
        (point(transformation_=[1, 2]), "4 x 4 matrix"),
        (point(transformation_=[[1, 2], [3]]), "4 x 4 matrix"),
        (point(transformation_="x"), "4 x 4 matrix"),
        (point(transformation_=[[float("nan")] * 4] * 4), "finite number of Å for x"),
    ],
)
def test_a_bad_point_is_named(bad, message):
    with pytest.raises(InputError, match=f"Picks/ribosome.json: point 1: .*{message}"):
        parse([point(), bad])


def test_a_programs_picks_are_nobodys_truth_unless_it_is_named():
    ours = [
        parse([point(score=0.3)], source="us_1_ribosome.json"),
        parse([], source="us_1_apo-ferritin.json"),  # where a program finds nothing, it leaves no score either
    ]
    told = [parse_pick_set(json.dumps({"points": []}), "tool_1_ribosome.json", programs=["tool_1"])]
    theirs = [
        parse([point(score=1.0), point()], source="ann_1_ribosome.json"),
        parse([], source="ann_1_apo-ferritin.json"),
        parse([point()], source="us_2_ribosome.json"),
    ]
    assert [s.program for s in (*ours, *told, *theirs)] == [True, False, True, False, False, False]
    assert Choice().among([*ours, *told, *theirs]) == theirs and Choice().among(ours) == []
    assert Choice(user="us").among([*ours, *theirs]) == [*ours, theirs[2]]
    assert Choice(user="us", session="1").among([*ours, *theirs]) == ours
    assert Choice(session="2").among([*ours, *theirs]) == [theirs[2]]


@pytest.mark.parametrize(
    ("unit", "factor", "voxels"),
    [("angstrom", 1, False), ("Å", 1, False), ("nm", 10, False), ("nanometers", 10, False), ("pixel", 1, True)],
)
def test_units(unit, factor, voxels):
    picks = parse([point()], unit=unit)
    assert picks.position.tolist() == [[factor, 2 * factor, 3 * factor]] and picks.voxels is voxels


def test_an_unknown_unit_is_refused():
    with pytest.raises(InputError, match=r"ribosome.json: expected the unit angstrom, .*, but got 'furlong'"):
        parse([point()], unit="furlong")


def test_picks_in_voxels_come_out_in_angstrom(tmp_path):
    root = write_tree(tmp_path / "data", {"TS_1": {"ribosome": [(0, 0, 0)]}})
    file = picks_folder(root, "TS_1") / "ribosome.json"
    file.write_text(json.dumps({"points": [point(1, 2, 3)], "unit": "voxel"}))
    assert open_dataset(root).picks("TS_1")[["x", "y", "z"]].to_numpy() == pytest.approx(
        VOXEL_SIZE * np.array([[1, 2, 3]])
    )


def test_a_table_may_tell_its_unit(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text("experiment,particle_type,x,y,z,unit\nTS_1,ribosome,10,20,30,nm\nTS_1,ribosome,10,20,30,angstrom\n")
    assert read_truth(path)["x"].tolist() == [10, 100]
    path.write_text("experiment,particle_type,x,y,z,unit\nTS_1,ribosome,10,20,30,voxel\n")
    with pytest.raises(InputError, match=r"line 2: expected a tomogram that is at hand, .*, but got 'TS_1'"):
        read_truth(path)
