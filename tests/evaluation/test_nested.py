import numpy as np
import pytest

from evaluation.counts import Counts, count, pool, score
from evaluation.folds import Fold
from evaluation.nested import ThresholdRule, nested, nested_fit
from evaluation.thresholds import apply_thresholds, average_precision, fit_thresholds
from tests.evaluation.reference import random_rows, table
from tomograms.errors import InputError
from tomograms.particles import CZII, Particle

RUNS = ("A", "B", "C", "D")
FOLDS = tuple(Fold((run,), tuple(other for other in RUNS if other != run)) for run in RUNS)
ONLY = (Particle("ribosome", 1, 150.0, 1.0),)


@pytest.fixture
def data():
    rng = np.random.default_rng(12)
    truth, candidates = random_rows(rng, CZII, experiments=RUNS, most=12)
    while {row[0] for row in truth} != set(RUNS):
        truth, candidates = random_rows(rng, CZII, experiments=RUNS, most=12)
    return table(truth), table(candidates, scored=True)


def test_each_fold_is_scored_with_thresholds_of_the_others(data):
    truth, candidates = data
    result = nested(truth, candidates, CZII, FOLDS)
    total = []
    for fold in result.folds:
        (run,) = fold.fold.held_out
        thresholds = fit_thresholds(truth[truth.experiment != run], candidates[candidates.experiment != run], CZII)
        own = truth[truth.experiment == run]
        assert fold.rule.thresholds == thresholds
        assert fold.counts == count(own, apply_thresholds(candidates[candidates.experiment == run], thresholds), CZII)
        total.append(pool(fold.counts))
    assert result.pooled == pool(total)
    assert result.score == score(pool(total), CZII)
    assert set(result.counts) == set(RUNS)


def test_the_optimum_is_fitted_and_scored_on_everything(data):
    truth, candidates = data
    result = nested(truth, candidates, CZII, FOLDS)
    thresholds = fit_thresholds(truth, candidates, CZII)
    assert result.optimum_rule.thresholds == thresholds
    assert result.optimum == score(pool(count(truth, apply_thresholds(candidates, thresholds), CZII)), CZII)
    assert result.gap == result.optimum.total - result.score.total


def test_average_precision_is_that_of_each_fold_weighed_by_its_truth(data):
    truth, candidates = data
    result = nested(truth, candidates, CZII, FOLDS)
    for particle in CZII:
        own = [(truth[truth.experiment == run], candidates[candidates.experiment == run]) for run in RUNS]
        held = [int((picks.particle_type == particle.name).sum()) for picks, _ in own]
        each = [average_precision(picks, found, particle) for picks, found in own]
        expected = np.average(each, weights=held) if any(held) else 0.0
        assert result.average_precision[particle.name] == pytest.approx(expected)
    # Another network's scale in one fold changes no ranking.
    scaled = candidates.assign(score=candidates.score.where(candidates.experiment != RUNS[0], candidates.score / 10))
    assert nested(truth, scaled, CZII, FOLDS).average_precision == pytest.approx(result.average_precision)


@pytest.mark.parametrize("run", RUNS)
def test_held_out_picks_move_no_threshold_of_their_own_fold(run):
    score_of_hit = dict(zip(RUNS, (0.8, 0.6, 0.4, 0.2), strict=True))
    truth = table([(name, "ribosome", 0, 0, 0) for name in RUNS])
    hits = [(name, "ribosome", 0, 0, 0, score) for name, score in score_of_hit.items()]
    misses = [(name, "ribosome", 500, 0, 0, score) for name in RUNS for score in (0.7, 0.5, 0.3, 0.1)]
    candidates = table([*hits, *misses], scored=True)
    moved = truth.assign(x=truth.x.where(truth.experiment != run, 1e5))
    folds = [nested(t, candidates, ONLY, FOLDS).folds for t in (truth, moved)]
    same = [one.rule.thresholds == other.rule.thresholds for one, other in zip(*folds, strict=True)]
    assert same[RUNS.index(run)]
    assert run != "D" or not any(same[:3])  # D holds the lowest hit: without it the others' thresholds rise


def test_by_hand():
    # A asks for 0.5, B for 0.1: each loses by the other's threshold
    truth = table([("A", "ribosome", 0, 0, 0), ("B", "ribosome", 0, 0, 0)])
    rows = [("A", 0, 0.5), ("A", 1000, 0.3), ("A", 2000, 0.2), ("B", 0, 0.1)]
    candidates = table([(run, "ribosome", x, 0, 0, s) for run, x, s in rows], scored=True)
    result = nested(truth, candidates, ONLY, [Fold(("A",), ("B",)), Fold(("B",), ("A",))])
    assert [fold.rule.thresholds["ribosome"] for fold in result.folds] == [0.1, pytest.approx(0.4)]
    assert result.pooled["ribosome"] == Counts(tp=1, fp=2, fn=1)
    assert result.score.total == 17 / (17 + 16 + 2)
    assert result.optimum.total == 34 / (34 + 2)


def test_a_fold_may_hold_out_several_runs_and_others_do_not_count(data):
    truth, candidates = data
    result = nested(truth, candidates, CZII, [Fold(("A", "B"), ("D",)), Fold(("C",), ("D",))])
    assert list(result.folds[0].counts) == ["A", "B"]
    assert set(result.counts) == set(result.optimum_counts) == {"A", "B", "C"}


def test_anything_can_be_fitted(data):
    truth, candidates = data
    calls = []

    def fit(truth, candidates):
        calls.append((sorted(set(truth.experiment)), sorted(set(candidates.experiment))))
        return ThresholdRule({p.name: -np.inf for p in CZII})

    result = nested_fit(fit, truth, candidates, particles=CZII, folds=FOLDS)
    seen = [[run for run in RUNS if run != held_out] for held_out in RUNS] + [list(RUNS)]
    assert [call[0] for call in calls] == seen
    assert all(set(call[1]) <= set(runs) for call, runs in zip(calls, seen, strict=True))
    assert result.pooled == pool(count(truth, candidates, CZII))
    assert result.gap == 0.0


def test_without_candidates_every_score_is_zero(data):
    result = nested(data[0], table([], scored=True), CZII, FOLDS)
    assert (result.score.total, result.optimum.total) == (0.0, 0.0)
    assert sum(counts.fn for counts in result.pooled.values()) == len(data[0])


def test_one_fold_is_refused(data):
    with pytest.raises(InputError, match="two folds"):
        nested(*data, CZII, FOLDS[:1])
