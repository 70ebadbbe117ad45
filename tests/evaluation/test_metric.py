import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree

from evaluation.counts import Counts, count, pool, score
from evaluation.metric import kaggle_score, main
from evaluation.thresholds import average_precision
from tests.evaluation.reference import random_rows, reference_counts, reference_f, reference_score, table
from tomograms.errors import InputError, run_command
from tomograms.particles import CZII, Particle

APO = CZII[0]  # radius 60: a hit is within 30 Å
RIBOSOME = CZII[3]  # radius 150: within 75 Å


def one(truth, predictions, particle=APO):
    return pool(count(table(truth), table(predictions), CZII))[particle.name]


def test_agrees_with_plain_loops_in_2000_random_cases():
    rng = np.random.default_rng(8620)
    seen = {"negative": 0, "elsewhere": 0, "absent": 0, "perfect": 0}
    for _ in range(2000):
        truth, predictions = random_rows(rng, CZII, experiments=("TS_1", "TS_2", "TS_3"), most=6)
        expected = {particle.name: reference_counts(truth, predictions, particle) for particle in CZII}
        result = kaggle_score(table(truth), table(predictions))
        assert result.by_type == {name: pytest.approx(reference_f(*c), abs=1e-12) for name, c in expected.items()}
        assert result.total == pytest.approx(reference_score(expected, CZII), abs=1e-12)
        seen["negative"] += any(fp < 0 for _, fp, _ in expected.values())
        seen["elsewhere"] += bool({p[0] for p in predictions} - {t[0] for t in truth})
        seen["absent"] += len({t[1] for t in truth}) < len(CZII)
        seen["perfect"] += any(tp and not fp and not fn for tp, fp, fn in expected.values())
    assert min(seen.values()) > 50, seen  # the cases are as awkward as they claim to be


def test_hits_are_those_of_a_kd_tree_on_many_points():
    rng = np.random.default_rng(1)
    true, found = rng.uniform(0, 2000, (2, 3000, 3))
    hits = KDTree(found).query_ball_tree(KDTree(true), r=0.5 * RIBOSOME.radius)
    tp = len({index for near in hits for index in near})
    name = RIBOSOME.name
    expected = Counts(tp, 3000 - tp, 3000 - tp)
    assert one([("A", name, *p) for p in true], [("A", name, *p) for p in found], RIBOSOME) == expected


@pytest.mark.parametrize(
    "offset", [(75.0, 0, 0), (45.0, 60.0, 0), (75.0, 9.5e-7, 0), (75.0, 0, 9.4e-7), (74.99999999999999, 1e-6, 0)]
)
def test_at_the_border_it_agrees_with_the_official_kd_tree(offset):
    # (75, 9.5e-7, 0): the squared distance is one bit above 75², though its root rounds to 75
    inside = bool(KDTree([offset]).query_ball_tree(KDTree([(0.0, 0.0, 0.0)]), r=75.0)[0])
    counts = one([("A", "ribosome", 0, 0, 0)], [("A", "ribosome", *offset)], RIBOSOME)
    assert counts.tp == inside


def test_one_prediction_hits_two_true_particles_and_false_positives_go_negative():
    truth = [("A", APO.name, 0, 0, 0), ("A", APO.name, 29.5, 0, 0)]
    counts = one(truth, [("A", APO.name, 15, 0, 0)])
    assert counts == Counts(tp=2, fp=-1, fn=0)
    assert counts.f_beta == 17 * 2 / (17 * 2 + 16 * 0 - 1)  # above 1, as in the official code
    assert counts.precision == 2.0


def test_a_second_prediction_on_the_same_particle_is_a_false_positive():
    counts = one([("A", APO.name, 0, 0, 0)], [("A", APO.name, 1, 0, 0), ("A", APO.name, 0, 1, 0)])
    assert counts == Counts(tp=1, fp=1, fn=0)


def test_other_experiments_and_other_species_do_not_hit():
    truth = [("A", APO.name, 0, 0, 0), ("B", RIBOSOME.name, 0, 0, 0)]
    predictions = [("B", APO.name, 0, 0, 0), ("A", RIBOSOME.name, 0, 0, 0)]
    counts = pool(count(table(truth), table(predictions), CZII))
    assert counts[APO.name] == counts[RIBOSOME.name] == Counts(tp=0, fp=1, fn=1)


def test_experiments_without_truth_are_dropped_before_an_unknown_species_is_an_error():
    truth = [("A", APO.name, 0, 0, 0)]
    assert one(truth, [("B", "membrane", 0, 0, 0), ("B", APO.name, 0, 0, 0)]) == Counts(tp=0, fp=0, fn=1)
    with pytest.raises(InputError, match=r"predictions: expected a particle_type among .*'membrane'"):
        one(truth, [("A", "membrane", 0, 0, 0)])
    with pytest.raises(InputError, match=r"truth: .*'membrane'"):
        one([("A", "membrane", 0, 0, 0)], [])


def test_counts_are_kept_by_experiment_and_every_species_is_there():
    counts = count(table([("B", APO.name, 0, 0, 0), ("A", APO.name, 0, 0, 0)]), table([("B", APO.name, 0, 0, 0)]), CZII)
    assert list(counts) == ["A", "B"]
    assert list(counts["A"]) == [p.name for p in CZII]
    assert (counts["A"][APO.name], counts["B"][APO.name]) == (Counts(0, 0, 1), Counts(1, 0, 0))


def test_the_total_divides_by_all_weights_whether_or_not_a_species_occurs():
    perfect = [("A", APO.name, 0, 0, 0)]
    result = kaggle_score(table(perfect), table(perfect))
    assert result.total == 1 / 7  # apo-ferritin has weight 1 of 7
    assert result.by_type == {p.name: float(p is APO) for p in CZII}


def test_beta_amylase_is_not_scored():
    rows = [("A", "beta-amylase", 0, 0, 0)]
    assert kaggle_score(table(rows), table(rows)).total == 0.0


@pytest.mark.parametrize("counts", [Counts(), Counts(0, 5, 0), Counts(0, 0, 5), Counts(0, 3, 3)])
def test_nothing_predicted_nothing_true_or_nothing_hit_is_zero(counts):
    assert counts.f_beta == 0.0
    assert (counts.precision, counts.recall) == (0.0, 0.0)


def test_empty_tables_give_empty_counts():
    assert count(table([]), table([]), CZII) == {}
    assert kaggle_score(table([]), table([("A", APO.name, 0, 0, 0)])).total == 0.0


def test_counts_add_and_scores_follow_from_the_sum():
    total = pool([{"a": Counts(1, 2, 3)}, {"a": Counts(10, 20, 30), "b": Counts(1, 0, 0)}])
    assert total == {"a": Counts(11, 22, 33), "b": Counts(1, 0, 0)}
    assert total["a"].f_beta == pytest.approx(17 * 11 / (17 * 11 + 16 * 33 + 22))


def test_without_any_weight_there_is_no_score():
    with pytest.raises(InputError, match="weight above 0"):
        score({}, [Particle("a", 1, 10.0, 0.0)])


def test_a_position_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="predictions: expected finite x, y, z, but got 0, nan, 0"):
        kaggle_score(table([("A", APO.name, 0, 0, 0)]), table([("A", APO.name, 0, math.nan, 0)]))


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=40)
@given(seeds)
def test_the_order_of_rows_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    truth, predictions = (table(rows) for rows in random_rows(rng, CZII, experiments=("A", "B"), most=8))
    shuffled = [frame.iloc[rng.permutation(len(frame))] for frame in (truth, predictions)]
    assert count(*shuffled, CZII) == count(truth, predictions, CZII)


@settings(max_examples=40)
@given(seeds, st.tuples(*[st.integers(-10_000, 10_000)] * 3))
def test_moving_everything_changes_nothing(seed, shift):  # by whole Å, so that distances stay exact
    rng = np.random.default_rng(seed)
    truth, predictions = (table(rows) for rows in random_rows(rng, CZII, experiments=("A", "B"), most=8))
    moved = [
        frame.assign(**{a: frame[a] + s for a, s in zip("xyz", shift, strict=True)}) for frame in (truth, predictions)
    ]
    assert count(*moved, CZII) == count(truth, predictions, CZII)


@settings(max_examples=40)
@given(seeds)
def test_a_further_prediction_never_costs_a_hit(seed):
    rng = np.random.default_rng(seed)
    truth, predictions = (table(rows) for rows in random_rows(rng, CZII, experiments=("A",), most=8))
    for name, counts in pool(count(truth, predictions, CZII)).items():
        fewer = pool(count(truth, predictions.iloc[:-1], CZII))[name]
        assert fewer.tp <= counts.tp <= counts.truth


def test_average_precision_by_hand():
    truth = [("A", APO.name, 0, 0, 0), ("A", APO.name, 500, 0, 0), ("B", APO.name, 0, 0, 0)]
    candidates = [
        ("A", APO.name, 1, 0, 0, 0.9),  # hit: recall 1/3, precision 1/1
        ("A", APO.name, 0, 1, 0, 0.8),  # the same particle again: a false positive
        ("B", APO.name, 0, 0, 5, 0.7),  # hit, with an equal score that misses: recall 2/3, precision 2/4
        ("B", APO.name, 0, 300, 5, 0.7),
        ("C", APO.name, 0, 0, 0, 1.0),  # not an experiment of the truth
        ("A", RIBOSOME.name, 0, 0, 0, 1.0),  # another species
    ]
    expected = 1 / 3 * 1 + 1 / 3 * 2 / 4
    assert average_precision(table(truth), table(candidates, scored=True), APO) == pytest.approx(expected)
    assert average_precision(table(truth), table([], scored=True), APO) == 0.0
    assert average_precision(table(truth), table(candidates, scored=True), RIBOSOME) == 0.0


def test_average_precision_is_at_most_one():
    truth = table([("A", APO.name, 0, 0, 0), ("A", APO.name, 29.5, 0, 0)])
    assert average_precision(truth, table([("A", APO.name, 15, 0, 0, 0.5)], scored=True), APO) == 1.0


def write_csv(path, rows):
    frame = table(rows)
    frame.insert(0, "id", range(len(frame)))
    frame.to_csv(path, index=False)
    return str(path)


def test_the_command_ends_with_the_score(tmp_path, capsys):
    truth = [("A", APO.name, 0, 0, 0), ("A", APO.name, 500, 0, 0), ("A", RIBOSOME.name, 0, 0, 0)]
    predictions = [("A", APO.name, 10, 0, 0), ("A", RIBOSOME.name, 0, 80, 0)]
    main([write_csv(tmp_path / "solution.csv", truth), write_csv(tmp_path / "submission.csv", predictions)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"score: {17 / (17 + 16) / 7:.6f}"
    assert any(APO.name in line and "0.515" in line for line in lines)


def test_the_command_takes_other_species_from_a_copick_config(tmp_path, capsys):
    config = {"pickable_objects": [{"name": "proteasome", "is_particle": True, "label": 3, "radius": 80}]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    csv = write_csv(tmp_path / "a.csv", [("5_4", "proteasome", 1, 2, 3)])
    main([csv, csv, "--particles", str(tmp_path / "config.json")])
    assert capsys.readouterr().out.splitlines()[-1] == "score: 1.000000"


def test_the_command_names_tomograms_that_only_one_file_has(tmp_path, capsys):
    truth = [("TS_1", APO.name, 0, 0, 0), ("TS_2", APO.name, 0, 0, 0)]
    predictions = [("TS_2", APO.name, 0, 0, 0), ("ts_1", APO.name, 0, 0, 0)]
    main([write_csv(tmp_path / "solution.csv", truth), write_csv(tmp_path / "submission.csv", predictions)])
    *_, left_out, without, _ = capsys.readouterr().out.splitlines()
    assert "ts_1" in left_out and "TS_1, TS_2" in left_out
    assert without == "without a prediction: TS_1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "id,experiment,particle_type,x,y,z\n0,A,membrane,1,2,3\n",
            "submission.csv: expected species of apo-ferritin, ",
        ),
        ("id,experiment,x,y,z\n0,A,1,2,3\n", "particle_type"),
        ("id,experiment,particle_type,x,y,z\n0,A,ribosome,1,oops,3\n", "submission.csv"),
        (None, "no such file"),
    ],
)
def test_bad_files_are_one_clear_line_and_exit_code_2(tmp_path, capsys, content, message):
    solution = write_csv(tmp_path / "solution.csv", [("A", APO.name, 0, 0, 0)])
    if content is not None:
        (tmp_path / "submission.csv").write_text(content)
    with pytest.raises(SystemExit) as stopped:
        run_command(main, [solution, str(tmp_path / "submission.csv")])
    assert stopped.value.code == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert message in error[0]


def test_predictions_in_another_unit_than_the_solution_are_said(tmp_path, capsys):
    truth = [("A", APO.name, 3000, 2000, 900), ("A", APO.name, 4000, 500, 1200)]
    found = [(3100.0, 1900.0, 900.0), (3900.0, 500.0, 1150.0), (2500.0, 1500.0, 300.0)]
    for scale in (1.0, 0.1):
        predictions = [("A", APO.name, *(scale * value for value in xyz)) for xyz in found]
        main([write_csv(tmp_path / "solution.csv", truth), write_csv(tmp_path / "submission.csv", predictions)])
        said = "are they in voxels or nanometres, and not in Å?" in capsys.readouterr().out
        assert said == (scale < 1)


def test_a_config_that_is_none_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("[]")
    csv = write_csv(tmp_path / "a.csv", [("A", APO.name, 1, 2, 3)])
    with pytest.raises(InputError, match="pickable_objects"):
        main([csv, csv, "--particles", str(tmp_path / "config.json")])


def test_text_columns_of_any_pandas_kind_will_do():
    rows = [("A", APO.name, 0, 0, 0), ("B", RIBOSOME.name, 0, 0, 0)]
    for kind in ("object", "str", "string", "category"):
        frame = table(rows).astype({"experiment": kind, "particle_type": kind})
        assert kaggle_score(frame, frame).total == pytest.approx(2 / 7)
