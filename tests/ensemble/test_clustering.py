"""Weighted 3D clustering: a sequential reference, and the properties that any fusion must have."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.clustering import FusionRule, average_models, cluster, fuse, neighbours
from postproc.candidates import COLUMNS, concatenate, empty_candidates, make_candidates, typed
from tomograms.particles import Particle

BALL = Particle("ball", 1, 10.0, 1.0)
ROD = Particle("rod", 2, 30.0, 1.0)
MEMBERS = ("a", "b", "c")

# Few distinct values: ties in score and distance are the rule here, not the exception.
ROWS = st.lists(
    st.tuples(
        st.sampled_from(MEMBERS),
        st.sampled_from(("TS_1", "TS_2")),
        st.sampled_from(("ball", "rod")),
        st.tuples(*[st.integers(0, 8)] * 3),
        st.sampled_from((0.1, 0.25, 0.5, 1.0)),
    ),
    max_size=40,
)
quick = settings(max_examples=30)


def table_of(rows):
    member, experiment, species, xyz, score = (list(column) for column in zip(*rows, strict=True)) if rows else [[]] * 5
    x, y, z = 3.0 * np.array(xyz, float).reshape(-1, 3).T
    columns = (experiment, species, x, y, z, score, member, [f"{name}-0" for name in experiment])
    return typed(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))


def rule(*, fraction=0.7, variance=None, **weights):
    weights = weights or {"a": 1.0, "b": 0.5, "c": 0.25}
    variance = variance or {member: 4.0 + index for index, member in enumerate(sorted(weights))}
    return FusionRule(weights, fraction, variance)


def fused(candidates, one=None):
    return fuse(candidates, [BALL, ROD], rules=dict.fromkeys(("ball", "rod"), one or rule()))


def same(left, right, *, tolerance=1e-9):
    assert len(left) == len(right)
    order = ["experiment", "particle_type", "x", "y", "z", "score"]
    left, right = (
        t.assign(**{c: t[c].round(6) for c in "xyz"}).sort_values(order, ignore_index=True) for t in (left, right)
    )
    assert left[["experiment", "particle_type"]].equals(right[["experiment", "particle_type"]])
    for column in ("x", "y", "z", "score"):
        np.testing.assert_allclose(left[column], right[column], rtol=0, atol=max(tolerance, 2e-6 * (column != "score")))


def sequential(position, member, group, strength, radius):
    """The rule word by word: one candidate after the other."""
    seed = [-1] * len(position)
    for i in range(len(position)):
        if seed[i] >= 0:
            continue
        seed[i] = i
        for other in sorted(set(member) - {member[i]}):
            best = None
            for j in range(len(position)):
                distance = np.sqrt(((position[i] - position[j]) ** 2).sum())
                if seed[j] < 0 and member[j] == other and group[j] == group[i] and distance <= radius:
                    pull = strength[j] * (1 - (distance / radius) ** 2)
                    if best is None or pull > best[0]:
                        best = (pull, j)
            if best is not None:
                seed[best[1]] = i
    return np.array(seed, int)


@quick
@given(
    st.lists(
        st.tuples(st.tuples(*[st.integers(0, 6)] * 3), st.integers(0, 2), st.integers(0, 1), st.integers(0, 3)),
        min_size=1,
        max_size=60,
    ),
    st.sampled_from((1.0, 2.0, 3.5)),
)
def test_rounds_equal_the_sequence(rows, radius):
    position = np.array([r[0] for r in rows], float)
    member, group = (np.array([r[k] for r in rows]) for k in (1, 2))
    strength = np.array([r[3] for r in rows], float)
    expected = sequential(position, member, group, strength, radius)
    np.testing.assert_array_equal(cluster(position, member, group, strength, radius=radius), expected)


@pytest.mark.parametrize("seed", range(3))
def test_rounds_equal_the_sequence_where_it_is_crowded(seed):
    rng = np.random.default_rng(seed)
    position, member = rng.uniform(0, 40, (300, 3)), rng.integers(0, 4, 300)
    strength, group = np.sort(rng.uniform(size=300))[::-1], np.zeros(300, int)
    expected = sequential(position, member, group, strength, 9.0)
    np.testing.assert_array_equal(cluster(position, member, group, strength, radius=9.0), expected)
    sizes = np.bincount(expected)
    assert sizes.max() == 4  # crowded enough to fill clusters


@quick
@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_changes_no_bit(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    pd.testing.assert_frame_equal(fused(table_of(rows)), fused(table_of(shuffled)), check_exact=True)


@quick
@given(ROWS)
def test_order_of_members_changes_no_bit(rows):
    one = rule()
    other = FusionRule(dict(reversed(one.weights.items())), one.radius_fraction, dict(reversed(one.variance.items())))
    pd.testing.assert_frame_equal(fused(table_of(rows), one), fused(table_of(rows), other), check_exact=True)


@quick
@given(ROWS)
def test_duplicated_member_with_half_the_weight_each_changes_nothing(rows):
    candidates = table_of(rows)
    twin = candidates[candidates["member"] == "a"].assign(member="twin")
    variance = {"a": 4.0, "b": 5.0, "c": 6.0, "twin": 4.0}
    halves = FusionRule({"a": 0.5, "b": 0.5, "c": 0.25, "twin": 0.5}, 0.7, variance)
    same(fused(candidates), fused(pd.concat([candidates, twin], ignore_index=True), halves))


@quick
@given(ROWS, st.sampled_from((0.1, 3.0, 1000.0)))
def test_scale_of_weights_changes_nothing(rows, scale):
    scaled = {member: scale * weight for member, weight in rule().weights.items()}
    same(fused(table_of(rows)), fused(table_of(rows), rule(**scaled)))


@quick
@given(ROWS, st.tuples(*[st.integers(-1000, 1000)] * 3))
def test_moving_everything_moves_the_result(rows, shift):
    candidates = table_of(rows)
    moved = candidates.assign(**{c: candidates[c] + by for c, by in zip("xyz", shift, strict=True)})
    result = fused(candidates)
    same(result.assign(**{c: result[c] + by for c, by in zip("xyz", shift, strict=True)}), fused(moved))


@quick
@given(ROWS)
def test_member_without_candidates_changes_no_position_and_no_order(rows):
    candidates = table_of(rows)
    withit = fused(
        candidates, rule(a=1.0, b=0.5, c=0.25, silent=0.5, variance=dict.fromkeys((*MEMBERS, "silent"), 4.0))
    )
    without = fused(candidates, rule(a=1.0, b=0.5, c=0.25, variance=dict.fromkeys(MEMBERS, 4.0)))
    share = (1.0 + 0.5 + 0.25) / (1.0 + 0.5 + 0.25 + 0.5)
    same(without.assign(score=without["score"] * share), withit)
    for column in ("experiment", "particle_type"):
        assert list(withit[column]) == list(without[column])


@quick
@given(ROWS)
def test_every_candidate_votes_once(rows):
    candidates = table_of(rows)
    weights, total = rule().weights, sum(rule().weights.values())
    votes = sum(weights[m] * s for m, s in zip(candidates["member"], candidates["score"], strict=True)) / total
    assert fused(candidates)["score"].sum() == pytest.approx(votes)


def test_position_and_score_are_the_stated_means():
    candidates = concatenate(
        [
            make_candidates("TS", "ball", [[0, 0, 0]], [0.8], member="a", model="m"),
            make_candidates("TS", "ball", [[4, 0, 2]], [0.5], member="b", model="m"),
        ]
    )
    result = fuse(candidates, [BALL], rules={"ball": FusionRule({"a": 1.0, "b": 0.5}, 0.7, {"a": 4.0, "b": 16.0})})
    share_a, share_b = 1.0 * 0.8 / 4.0, 0.5 * 0.5 / 16.0
    assert result["x"].tolist() == pytest.approx([4 * share_b / (share_a + share_b)])
    assert result["z"].tolist() == pytest.approx([2 * share_b / (share_a + share_b)])
    assert result["score"].tolist() == pytest.approx([(1.0 * 0.8 + 0.5 * 0.5) / 1.5])
    assert result[["member", "model"]].values.tolist() == [["ensemble", "mean"]]


def test_agreement_beats_one_confident_member():
    candidates = concatenate(
        [
            make_candidates("TS", "ball", [[0, 0, 0], [50, 0, 0]], [0.6, 0.9], member="a", model="m"),
            make_candidates("TS", "ball", [[1, 0, 0]], [0.6], member="b", model="m"),
        ]
    )
    result = fuse(candidates, [BALL], rules={"ball": rule(a=1.0, b=1.0)})
    assert result["x"].tolist() == pytest.approx([0.6 * 1 / 5.0 / (0.6 / 4.0 + 0.6 / 5.0), 50.0])
    assert result["score"].tolist() == pytest.approx([0.6, 0.45])


def test_two_true_neighbours_do_not_merge():
    pair = [[0, 0, 0], [5, 0, 0]]  # closer than the radius of 7 Å
    candidates = concatenate([make_candidates("TS", "ball", pair, [0.9, 0.8], member=m, model="m") for m in "ab"])
    result = fuse(candidates, [BALL], rules={"ball": rule(a=1.0, b=1.0)})
    assert result["x"].tolist() == pytest.approx([0.0, 5.0])
    assert result["score"].tolist() == pytest.approx([0.9, 0.8])


def test_the_radius_is_included_and_species_never_mix():
    candidates = concatenate(
        [
            make_candidates("TS", "ball", [[0, 0, 0]], [0.9], member="a", model="m"),
            make_candidates("TS", "ball", [[7, 0, 0]], [0.9], member="b", model="m"),
            make_candidates("TS", "rod", [[0, 0, 0]], [0.9], member="b", model="m"),
        ]
    )
    assert len(fused(candidates, rule(a=1.0, b=1.0, fraction=0.7))) == 2
    assert len(fused(candidates, rule(a=1.0, b=1.0, fraction=0.6999))) == 3


def test_member_of_weight_zero_takes_no_part():
    candidates = concatenate(
        [make_candidates("TS", "ball", [[x, 0, 0]], [0.9], member=m, model="m") for x, m in ((0, "a"), (1, "b"))]
    )
    result = fuse(candidates, [BALL], rules={"ball": rule(a=1.0, b=0.0)})
    assert result[["x", "score"]].values.tolist() == [[0.0, 0.9]]


def test_nothing_in_nothing_out():
    result = fused(empty_candidates())
    assert list(result.columns) == COLUMNS and len(result) == 0
    pd.testing.assert_series_equal(result.dtypes, empty_candidates().dtypes)


def test_bad_scores_and_weights_are_refused():
    negative = make_candidates("TS", "ball", [[0, 0, 0]], [-1.0], member="a", model="m")
    with pytest.raises(ValueError, match="calibrate"):
        fused(negative)
    with pytest.raises(ValueError, match="one above 0"):
        fused(empty_candidates(), rule(a=0.0, b=0.0))


@quick
@given(st.lists(st.tuples(*[st.integers(0, 5)] * 3), max_size=30), st.sampled_from((1.0, 2.0)))
def test_neighbours_are_all_pairs_of_a_group_within_the_radius(positions, radius):
    position = np.array(positions, float).reshape(-1, 3)
    group = np.arange(len(position)) % 2
    found = {(int(i), int(j)) for i, j in zip(*neighbours(position, group, radius)[:2], strict=True)}
    expected = {
        (i, j)
        for i in range(len(position))
        for j in range(len(position))
        if i != j and group[i] == group[j] and np.linalg.norm(position[i] - position[j]) <= radius
    }
    assert found == expected


def seeds_of(*tables):
    frames = [
        make_candidates("TS", "ball", position, score, member="unet", model=f"fold/unet-{seed}")
        for seed, (position, score) in enumerate(tables)
    ]
    return concatenate(frames)


def test_models_of_a_member_count_once():
    models = seeds_of(([[0, 0, 0]], [0.8]), ([[3, 0, 0]], [0.4]))
    result = average_models(models, [BALL], 2)
    assert result["x"].tolist() == pytest.approx([3 * 0.4 / 1.2])
    assert result["score"].tolist() == pytest.approx([0.6])
    assert result[["member", "model"]].values.tolist() == [["unet", "mean"]]


def test_a_model_that_saw_nothing_counts_as_zero():
    models = seeds_of(([[0, 0, 0]], [0.8]), ([[3, 0, 0]], [0.4]))
    assert average_models(models, [BALL], 4)["score"].tolist() == pytest.approx([0.3])
    assert average_models(models, [BALL], {"unet": 4})["score"].tolist() == pytest.approx([0.3])


def test_a_single_model_keeps_any_scores():
    single = seeds_of(([[0, 0, 0], [30, 0, 0]], [17.0, -3.0]))
    result = average_models(single, [BALL], 1)
    pd.testing.assert_frame_equal(result, typed(single.assign(model="mean")))


def test_fold_models_may_differ_between_experiments():
    folds = [
        make_candidates(e, "ball", [[0, 0, 0]], [0.5], member="unet", model=f"{e}/unet-{seed}")
        for e in ("TS_1", "TS_2")
        for seed in (0, 1)
    ]
    result = average_models(concatenate(folds), [BALL], 2)
    assert result[["experiment", "score"]].values.tolist() == [["TS_1", 0.5], ["TS_2", 0.5]]


def test_more_models_than_announced_are_refused():
    with pytest.raises(ValueError, match="at most 1 models of unet"):
        average_models(seeds_of(([[0, 0, 0]], [0.8]), ([[3, 0, 0]], [0.4])), [BALL], 1)


def test_average_of_nothing_is_empty():
    assert list(average_models(empty_candidates(), [BALL], 3).columns) == COLUMNS
