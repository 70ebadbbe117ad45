import re

import pytest

from evaluation.folds import Fold, built_in_file, load_folds
from tomograms.errors import InputError

KAGGLE = ("TS_5_4", "TS_69_2", "TS_6_4", "TS_6_6", "TS_73_6", "TS_86_3", "TS_99_9")
PHANTOM = tuple(f"PH_{number}" for number in range(1, 8))


@pytest.mark.parametrize("runs", [KAGGLE, PHANTOM])
def test_the_built_in_folds_leave_one_run_out(runs):
    expected = [Fold((run,), tuple(other for other in runs if other != run)) for run in runs]
    assert list(load_folds(runs)) == expected
    assert list(load_folds((*reversed(runs), "another"))) == expected


def test_a_fold_is_named_by_its_held_out_runs():
    assert Fold(("A", "B"), ("C",)).name == "A+B"


def test_the_first_section_that_shares_a_run_is_used(tmp_path):
    path = tmp_path / "folds.yaml"
    path.write_text(
        "one: [{held_out: [A], train: [B]}, {held_out: [B], train: [A]}]\n"
        "two: [{held_out: [C, D], train: [E]}, {held_out: [E], train: [C, D]}]\n"
    )
    assert load_folds(["C", "D", "E"], path) == (Fold(("C", "D"), ("E",)), Fold(("E",), ("C", "D")))


def error(tmp_path, text, runs=("A", "B")):
    path = tmp_path / "folds.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        load_folds(runs, path)
    message = str(raised.value)
    assert message.startswith(str(path))
    return message


GOOD = "{held_out: [B], train: [A]}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"s: [{{held_out: [A], train: [A, B]}}, {GOOD}]", "s: fold 1 trains on the run that it holds out: A"),
        (f"s: [{GOOD}, {GOOD}]", "s: expected each run to be held out once, but fold 2 repeats B"),
        (f"s: [{{held_out: [], train: [A]}}, {GOOD}]", "fold 1: held_out: expected a list of run names, but got []"),
        (f"s: [{{held_out: A, train: [B]}}, {GOOD}]", "fold 1: held_out: expected a list of run names, but got 'A'"),
        (f"s: [{{held_out: [A], train: [B, B]}}, {GOOD}]", "fold 1: train: expected distinct names, but got B, B"),
        (f"s: [{{held_out: [A], train: [5_4]}}, {GOOD}]", "in quotes where YAML reads a number, but got 54"),
        (
            f"s: [{{held_out: [A]}}, {GOOD}]",
            "expected the keys held_out and train, but got a mapping with the keys held",
        ),
        (f"s: [{{held_out: [A], train: [B], test: [B]}}, {GOOD}]", "held_out, train, test"),
        (
            "s: [{held_out: [A+B], train: [C]}, {held_out: [A, B], train: [C]}]",
            "expected folds of distinct names, but folds 1 and 2 are A+B",
        ),
        (f"s: [{GOOD}]\ns: [{GOOD}]", "expected each key once, but s occurs twice, in line 2"),
        ("s: [{held_out: [A], train: [B], held_out: [B]}]", "expected each key once, but held_out occurs twice"),
        (f"s: [{GOOD}]", "s: expected a list of at least two folds"),
        ("s: 7", "s: expected a list of at least two folds, but got 7"),
        ("[]", "expected sections with lists of folds, but got []"),
        ("", "expected sections with lists of folds, but got None"),
        ("s: [", "expected a YAML file of folds, but it cannot be read"),
        ("s: [2024-02-30]", "expected a YAML file of folds, but it cannot be read (day is out of range"),
        ("s: [0b_]", "expected a YAML file of folds, but it cannot be read"),
        ("[" * 3000, "expected a YAML file of folds, but it cannot be read"),
        (f"s: [{{held_out: [A], train: [B, Z]}}, {GOOD}]", "but got Z; the data's runs are A, B"),
        ("s: [{held_out: [X], train: [Y]}, {held_out: [Y], train: [X]}]", "give their folds with --fold-file"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path, text, message):
    assert message in error(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.yaml: no such file"):
        load_folds(["A"], tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        load_folds(["A"], tmp_path)


def test_kaggle_data_with_a_run_missing_is_refused():
    with pytest.raises(InputError, match=re.escape(f"{built_in_file()}: expected runs of the data, but got TS_99_9;")):
        load_folds(KAGGLE[:-1])


def test_data_that_no_section_knows_need_a_fold_file():
    with pytest.raises(InputError, match=r"\(run-1, run-2\), but got none; give their folds with --fold-file"):
        load_folds(["run-2", "run-1"])
