"""Tuning: it finds the best of its grid, TPE included, drops what harms, and can be stored and read again."""

from dataclasses import replace

import numpy as np
import optuna
import pytest

from ensemble.points import Points
from ensemble.stacking import stacked_weights
from ensemble.studies import opened, store_studies
from ensemble.tuning import (
    CAUTION,
    DEFAULT_FRACTION,
    PICKS,
    Objective,
    Tuning,
    equal_rule,
    grid,
    grid_size,
    tune,
)
from ensemble.tuning_problem import TuningProblem
from tests.ensemble.synthetic import PAIR

HARD = PAIR[1]


def test_grid_holds_each_rule_once_and_the_default_first():
    points = list(grid(["a", "b"]))
    assert points[0] == {"weight_a": 1.0, "weight_b": 1.0, "radius": DEFAULT_FRACTION}
    assert all(max(p["weight_a"], p["weight_b"]) == 1.0 for p in points)
    assert len({tuple(p.values()) for p in points}) == len(points) == 5 * 3 + 2
    assert len(list(grid(["a"]))) == 1


@pytest.mark.parametrize("members", range(1, 6))
def test_the_size_of_a_grid_is_known_without_making_it(members):
    assert grid_size(members) == len(list(grid([str(i) for i in range(members)])))


def test_nine_members_are_no_reason_to_wait():
    assert grid_size(9) == 727_365  # as many as were once made before they were compared with the number of trials
    assert next(grid([str(i) for i in range(9)]))["radius"] == DEFAULT_FRACTION


def test_best_trial_is_the_best_of_the_grid(problem):
    *_, problem = problem
    rule, study = tune(problem, ["unet", "yolo"], Tuning(trials=100))
    base = stacked_weights(*problem.findings(DEFAULT_FRACTION))
    objective = Objective.of(problem.sweep(base, DEFAULT_FRACTION))
    factors = [(np.array([p["weight_unet"], p["weight_yolo"]]), p["radius"]) for p in grid(["unet", "yolo"])]
    values = [
        objective(problem.sweep(base * factor, radius), is_default=not number)
        for number, (factor, radius) in enumerate(factors)
    ]
    assert len(study.trials) == len(values) and study.best_value == max(values)
    weight = np.array([rule.weights["unet"], rule.weights["yolo"]])
    is_default = bool((weight == base).all()) and rule.radius_fraction == DEFAULT_FRACTION
    assert objective(problem.sweep(weight, rule.radius_fraction), is_default=is_default) == study.best_value


def test_objective_is_the_stated_formula(problem):
    *_, problem = problem
    weight = np.array([1.0, 0.25])
    default, other = problem.sweep(np.ones(2), DEFAULT_FRACTION), problem.sweep(weight, 0.9)

    def best(trial, runs):
        hit, kept = trial.hit[runs].sum(axis=0), trial.predicted[runs].sum(axis=0)
        return (17 * hit / (kept + 16 * trial.truth[runs].sum())).max()

    lead = np.array([best(other, [r for r in range(7) if r != out]) for out in range(7)])
    lead -= [best(default, [r for r in range(7) if r != out]) for out in range(7)]
    error = np.sqrt(6 / 7 * ((lead - lead.mean()) ** 2).sum())
    expected = best(other, list(range(7))) - CAUTION * error - PICKS / other.truth.sum()
    assert Objective.of(default)(other, is_default=False) == pytest.approx(expected, abs=1e-12)
    assert Objective.of(default)(default, is_default=True) == pytest.approx(best(default, list(range(7))), abs=1e-12)


def test_a_gain_of_a_single_particle_is_luck(problem):
    *_, problem = problem
    default = problem.sweep(np.ones(2), DEFAULT_FRACTION)
    objective = Objective.of(default)
    everywhere = replace(default, hit=default.hit + (np.arange(7) == 0)[:, None])
    assert objective(everywhere, is_default=False) < objective(default, is_default=True)
    everywhere = replace(default, hit=default.hit + 1)
    assert objective(everywhere, is_default=False) > objective(default, is_default=True)


def test_tpe_proposes_where_the_grid_is_larger(problem):
    *_, problem = problem
    first, second = (tune(problem, ["unet", "yolo"], Tuning(trials=15, seed=3)) for _ in range(2))
    assert len(first[1].trials) == 15
    assert first[0] == second[0]  # the same seed, the same rule
    assert first[1].best_value >= first[1].trials[0].value  # the default comes first


def test_member_that_only_harms_is_dropped():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 3000, (140, 3))
    runs = np.repeat(np.arange(7), 20)
    false = rng.uniform(0, 3000, (700, 3))
    good = Points(truth, np.linspace(4, 5, 140), np.zeros(140, int), runs)
    bad = Points(false, np.full(700, 90.0), np.ones(700, int), np.repeat(np.arange(7), 100))
    both = Points(*(np.concatenate([getattr(good, f), getattr(bad, f)]) for f in vars(good))).ordered()
    problem = TuningProblem(HARD, both, truth, runs, 7, np.ones(2))
    rule, _ = tune(problem, ["bad", "good"][::-1], Tuning())
    assert rule.weights == {"good": 1.0, "bad": 0.0}


def test_nothing_to_tune_gives_the_default_and_no_study():
    none = np.empty(0, int)
    problem = TuningProblem(
        HARD, Points(np.empty((0, 3)), np.empty(0), none, none), np.empty((0, 3)), none, 7, np.ones(2)
    )
    assert tune(problem, ["a", "b"], Tuning()) == (equal_rule(["a", "b"], {"a": 1.0, "b": 1.0}), None)


def test_stored_studies_are_read_again_and_replaced(problem, tmp_path):
    *_, problem = problem
    _, study = tune(problem, ["unet", "yolo"], Tuning(trials=8))
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    for _ in range(2):
        store_studies({"hard": study}, url, "made-up")
    with opened(url) as database:
        (summary,) = optuna.get_all_study_summaries(database)
        assert (summary.study_name, summary.n_trials) == ("made-up/hard", 8)
        stored = optuna.load_study(study_name="made-up/hard", storage=database)
        assert [t.params for t in stored.trials] == [t.params for t in study.trials]
        assert stored.best_value == study.best_value
