"""Runs listed and compared: the pairing, the figures, and what cannot be compared."""

import os

import numpy as np
import pytest

from evaluation.counts import Counts
from evaluation.folds import Fold
from evaluation.run_average import averaged, best_member, wins
from evaluation.run_comparison import difference, entries, shared
from evaluation.run_directory import choose_run, create_run, find_runs
from evaluation.run_record import RunRecord
from evaluation.runs import main
from tomograms.dataset import DataRecord
from tomograms.errors import InputError
from tomograms.files import write_json
from tomograms.particles import Particle
from tomograms.picks import make_truth

PARTICLES = (Particle("easy", 1, 60.0, 1.0), Particle("hard", 2, 90.0, 2.0))
RUNS = ("TS_1", "TS_2", "TS_3")


def f_beta(tp, fp, fn):
    return 17 * tp / (17 * tp + 16 * fn + fp)


def scored(path, members, *, ensemble=None, particles=PARTICLES, runs=RUNS):
    """Write a run whose ``cv.json`` holds, by name, (easy, hard) counts that are the same on each experiment."""
    folds = [Fold((name,), tuple(r for r in runs if r != name)) for name in runs]
    data = DataRecord(None, "denoised", None, None, None)
    record = RunRecord(data, "", tuple(particles), tuple(folds), {name: {} for name in members}, (0,))
    create_run(path, record, make_truth("TS_1", "easy", [[0, 0, 0]]))

    def result(counts):
        by_type = {p.name: list(c) for p, c in zip(particles, counts, strict=True)}
        return {"folds": [{"held_out": [name], "counts": {name: by_type}} for name in runs]}

    write_json(path / "cv.json", {"members": {name: result(counts) for name, counts in members.items()}})
    if ensemble:
        write_json(path / "ensemble.json", {"scores": {"unet": result(ensemble), "ensemble": result(ensemble)}})
    return choose_run(path.parent, path.name)


ONE = ((8, 2, 2), (5, 10, 5))
TWO = ((9, 2, 1), (6, 10, 4))


def test_totals_parts_and_differences_are_the_metric_s(tmp_path):
    both = shared(scored(tmp_path / "a", {"unet": ONE}), scored(tmp_path / "b", {"unet": TWO}))
    one, other = both["unet"]
    expected = [(f_beta(*counts[0]) + 2 * f_beta(*counts[1])) / 3 for counts in (ONE, TWO)]
    assert [one.total, other.total] == pytest.approx(expected)
    assert other.of_particle("hard") == pytest.approx(f_beta(*TWO[1]))
    assert one.of_experiment("TS_2") == pytest.approx(expected[0])
    interval = difference(one, other)
    # Every experiment is alike, so no draw of them differs from another.
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((expected[1] - expected[0],) * 3)
    assert interval.resamplings == 10  # C(5, 3)


def test_seeds_are_averaged(tmp_path):
    seeds = scored(tmp_path / "a", {"unet, seed 0": ONE, "unet, seed 1": TWO})
    (entry,) = entries(seeds).values()
    assert len(entry.seeds) == 2
    assert entry.of_particle("easy") == pytest.approx(np.mean([f_beta(*ONE[0]), f_beta(*TWO[0])]))
    single = scored(tmp_path / "b", {"unet": ONE})
    assert entry.total > entries(single)["unet"].total


def test_the_ensemble_is_compared_where_both_have_one(tmp_path):
    first = scored(tmp_path / "a", {"unet": ONE, "yolo": ONE}, ensemble=TWO)
    second = scored(tmp_path / "b", {"unet": ONE}, ensemble=ONE)
    assert list(shared(first, second)) == ["unet", "ensemble"]
    assert entries(first)["ensemble"].seeds[0]["TS_1"]["hard"] == Counts(*TWO[1])


def test_other_runs_species_or_members_cannot_be_compared(tmp_path):
    first = scored(tmp_path / "a", {"unet": ONE})
    with pytest.raises(InputError, match="expected the held-out runs of a"):
        shared(first, scored(tmp_path / "b", {"unet": ONE}, runs=("TS_1", "TS_9")))
    with pytest.raises(InputError, match="expected the species"):
        shared(first, scored(tmp_path / "c", {"unet": ONE}, particles=(PARTICLES[0], Particle("hard", 2, 9.0, 2.0))))
    with pytest.raises(InputError, match="expected a scored member in common"):
        shared(first, scored(tmp_path / "d", {"yolo": ONE}))


def test_damaged_results_are_named(tmp_path):
    run = scored(tmp_path / "a", {"unet": ONE})
    write_json(run.path / "cv.json", {"members": {"unet": {"folds": [{}]}}})
    with pytest.raises(InputError, match=r"cv\.json: expected the results of a run"):
        entries(run)


def test_most_recent_run_comes_last_and_is_the_default(tmp_path):
    for age, name in enumerate(("new", "old")):
        run = scored(tmp_path / name, {"unet": ONE})
        for file in ("run.json", "cv.json"):
            os.utime(run.path / file, (1000 - age, 1000 - age))
    assert [run.name for run in find_runs(tmp_path)] == ["old", "new"]
    assert choose_run(tmp_path, None).name == "new"
    with pytest.raises(InputError, match="found none"):
        choose_run(tmp_path / "empty", None)


def test_command_lists_and_compares(tmp_path, capsys):
    scored(tmp_path / "first", {"unet": ONE}, ensemble=TWO)
    scored(tmp_path / "second", {"unet": TWO})
    assert main(["--runs", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    total = (f_beta(*ONE[0]) + 2 * f_beta(*ONE[1])) / 3
    assert "first" in listed and "second" in listed and f"{total:.4f}" in listed and "ensemble" in listed
    assert main(["--runs", str(tmp_path), "first", "second"]) == 0
    compared = capsys.readouterr().out
    for text in (
        "second minus first",
        f"{f_beta(*TWO[1]) - f_beta(*ONE[1]):+.3f}",
        "TS_3",
        "hard",
        "training variance",
    ):
        assert text in compared
    assert main(["--runs", str(tmp_path / "none")]) == 0
    assert "no runs in" in capsys.readouterr().out
    with pytest.raises(InputError, match="or two, to compare them"):
        main(["--runs", str(tmp_path), "first"])


def test_runs_are_averaged_as_seeds_of_one_recipe(tmp_path):
    counts = ((ONE, TWO, TWO), (TWO, ONE, TWO))
    runs = [
        scored(tmp_path / name, {"unet": unet, "yolo": yolo}, ensemble=fused)
        for name, (unet, yolo, fused) in zip("ab", counts, strict=True)
    ]
    found = averaged(runs)
    assert list(found) == ["unet", "yolo", "ensemble"]
    one, two = ((f_beta(*c[0]) + 2 * f_beta(*c[1])) / 3 for c in (ONE, TWO))
    assert found["unet"].totals == pytest.approx([one, two])
    assert found["ensemble"].total == pytest.approx(two)
    assert best_member(found, ["unet", "yolo"]) == "unet"  # a tie: the first by name
    assert (wins(found["ensemble"], found["unet"]), wins(found["yolo"], found["unet"])) == ("1 of 2", "1 of 2")
    assert difference(found["unet"], found["ensemble"]).estimate == pytest.approx(two - (one + two) / 2)


def test_only_what_all_runs_have_is_averaged(tmp_path):
    first = scored(tmp_path / "a", {"unet": ONE, "yolo": ONE}, ensemble=TWO)
    assert list(averaged([first, scored(tmp_path / "b", {"unet": TWO})])) == ["unet"]
    with pytest.raises(InputError, match="expected a scored member in all of a, c"):
        averaged([first, scored(tmp_path / "c", {"other": ONE})])
    with pytest.raises(InputError, match="expected the held-out runs of a"):
        averaged([first, scored(tmp_path / "d", {"unet": ONE}, runs=("TS_1", "TS_9"))])


def test_command_averages(tmp_path, capsys):
    for name, counts in (("a", ONE), ("b", TWO)):
        scored(tmp_path / name, {"unet": counts, "yolo": ONE}, ensemble=TWO)
    assert main(["--runs", str(tmp_path), "--average", "a", "b"]) == 0
    printed = capsys.readouterr().out
    one, two = ((f_beta(*c[0]) + 2 * f_beta(*c[1])) / 3 for c in (ONE, TWO))
    for text in ("Mean over a, b", f"{(one + two) / 2:.4f}", f"{two - (one + two) / 2:+.4f}", "1 of 2", "best member"):
        assert text in printed
    for names in ([], ["a"], ["a", "a"]):
        with pytest.raises(InputError, match="--average: expected two or more different runs"):
            main(["--runs", str(tmp_path), "--average", *names])
