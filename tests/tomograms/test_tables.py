import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomograms.errors import InputError
from tomograms.tables import read_table, refuse, typed


@pytest.fixture
def csv(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "a.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def refusal(path, columns=("name", "x"), **options):
    with pytest.raises(InputError) as error:
        read_table(path, columns, numbers=["x"], **options)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "name", ["NA", "null", "nan", "None", "007", "1.0", "True", " a ", "TS,1", 'say "a"', "Ångström"]
)
def test_text_stays_as_it_stands(csv, name):
    quoted = '"' + name.replace('"', '""') + '"'
    table = read_table(csv(f"x,other,name\n1,2,{quoted}\n"), ["name", "x"], numbers=["x"])
    assert list(table.columns) == ["name", "x"]
    assert table["name"].tolist() == [name] and table["name"].dtype == object and type(table["name"].iloc[0]) is str


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=9))
@settings(max_examples=50)
def test_numbers_are_exact(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "numbers.csv"
    path.write_text("\n".join(["x", *map(repr, values)]))
    table = read_table(path, ["x"], numbers=["x"])
    assert table["x"].dtype == np.float64 and table["x"].tolist() == values


def test_the_index_is_the_line_in_the_file(csv):
    text = 'name,x\r\n\r\na,1\r\n"b\r\nb",2\r\n\r\n\r\nc,3\r\n'
    table = read_table(csv(text), ["name", "x"], numbers=["x"])
    assert table.index.tolist() == [3, 5, 8]


def test_a_header_alone_gives_an_empty_table(csv):
    table = read_table(csv("name,x"), ["name", "x"], numbers=["x"])
    assert table.empty and table.dtypes.tolist() == [object, np.float64]


def test_a_byte_order_mark_is_no_part_of_the_header(csv):
    path = csv("name,x\na,1\n", encoding="utf-8-sig")
    assert read_table(path, ["name", "x"], numbers=["x"], exact_header=True)["name"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a CSV file with the columns name,x, but got an empty file"),
        ("\n\n", "expected a CSV file with the columns name,x, but got an empty file"),
        ("x,y\n", "line 1: expected the columns name,x, but got no name in 'x,y'"),
        ("a\n", "line 1: expected the columns name,x, but got no name,x in 'a'"),
        ("name,x\n\na,1\nb\n", "line 4: expected 2 fields, but got 'b'"),
        ("name,x\na,1,2\n", "line 2: expected 2 fields, but got 'a,1,2'"),
        ("name,x\n,1\n", "line 2: expected a value for name, but got ''"),
        ("name,x\na,1\nb,\n", "line 3: expected a finite number for x, but got ''"),
        ("name,x\na,nan\n", "line 2: expected a finite number for x, but got 'nan'"),
        ("name,x\na,-inf\n", "line 2: expected a finite number for x, but got '-inf'"),
        ("name,x\na,1_000\n", "line 2: expected a finite number for x, but got '1_000'"),
        ("name,x\na,NA\nb,2\nc,d\n", "line 2: expected a finite number for x, but got 'NA' (and 1 more such lines)"),
    ],
)
def test_what_is_wrong_is_one_line(csv, text, message):
    assert refusal(csv(text)) == message


def test_files_that_are_no_csv(csv, tmp_path):
    assert refusal(tmp_path / "nowhere.csv") == "no such file"
    assert refusal(csv("näme,x", encoding="latin-1")).startswith("expected a CSV file, but it cannot be read (")
    assert refusal(csv('name,x\na,"1\n')).startswith("expected a CSV file, but it cannot be read (")
    assert refusal(tmp_path).startswith("expected a CSV file, but it cannot be read (")


@pytest.mark.parametrize("header", ["x,name", "name,x,y", "Name,x", "name, x"])
def test_an_exact_header(csv, header):
    message = refusal(csv("\n" + header + "\n"), exact_header=True)
    assert message == f"line 2: expected the header name,x, but got {header!r}"


def test_the_first_bad_row_is_refused_with_all_that_it_holds(tmp_path):
    table = pd.DataFrame({"a": ["u", "v", "w"], "b": [1.0, 2.0, 3.0]}, index=[2, 5, 6])
    refuse(tmp_path, table["a"], [False] * 3, "nothing")
    with pytest.raises(InputError, match=r": line 5: expected something else, but got \['v', 2.0\]$"):
        refuse(tmp_path, table, [False, True, False], "something else")


def test_types_of_the_columns_that_are_there():
    table = typed(pd.DataFrame({"experiment": ["a"], "x": [1], "id": [7]}))
    assert table.dtypes.astype(str).tolist() == ["object", "float64", "int64"]
