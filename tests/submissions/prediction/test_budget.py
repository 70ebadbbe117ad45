import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submissions.prediction.budget import HALVINGS, Budget, Plan, ladder, parse_duration
from tomograms.errors import InputError


class Clock:
    """Time that passes only when something is done."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def spend(budget, clock, *, costs, full, overhead=0.0):
    """Predict one tomogram after the other; a member takes a base and a time for each view."""
    chosen = []
    for begun in range(budget.total):
        plan = budget.choose(begun)
        chosen.append(plan)
        if plan is None:
            continue
        views = {member: plan.views(full[member]) for member in plan.members}
        seconds = {member: costs[member][0] + costs[member][1] * views[member] for member in plan.members}
        clock.now += sum(seconds.values()) + overhead
        budget.measured(seconds=seconds, views=views, full=full, rest=overhead)
    return chosen


def test_the_stated_order():
    assert ladder(["strong", "weak", "weakest"]) == [
        Plan(("strong", "weak", "weakest"), 0),
        Plan(("strong", "weak", "weakest"), 1),
        Plan(("strong", "weak", "weakest"), 2),
        Plan(("strong", "weak", "weakest"), 3),
        Plan(("strong", "weak"), 3),
        Plan(("strong",), 3),
    ]
    assert [Plan((), h).views(8) for h in range(HALVINGS + 1)] == [8, 4, 2, 1]
    assert [Plan((), h).views(1) for h in range(HALVINGS + 1)] == [1, 1, 1, 1]
    assert [Plan((), h).views(2) for h in range(HALVINGS + 1)] == [2, 1, 1, 1]


def test_what_is_dropped_in_words():
    members = ["a", "b", "c"]
    assert Plan(("a", "b", "c")).describe(members) == "nothing"
    assert Plan(("a", "b", "c"), 2).describe(members) == "test-time views divided by 4"
    assert Plan(("a",), 3).describe(members) == "test-time views divided by 8; without b, c"


@pytest.mark.parametrize(("text", "seconds"), [("11h", 39600), ("90m", 5400), ("1.5m", 90), ("45s", 45), ("30", 30)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1h", "0", "nan", "inf", "11 hours", "1d"])
def test_no_durations(text):
    with pytest.raises(InputError, match="--budget"):
        parse_duration(text)


def test_without_a_limit_everything_is_done():
    clock = Clock()
    budget = Budget(None, ladder(["a"]), 10, 1, clock)
    assert set(spend(budget, clock, costs={"a": (0, 1e9)}, full={"a": 8})) == {Plan(("a",), 0)}


def test_enough_time_drops_nothing():
    clock = Clock()
    costs, full = {"a": (0.0, 1.0), "b": (2.0, 0.0)}, {"a": 8, "b": 1}
    budget = Budget(100 * 10.0 / 0.97, ladder(["a", "b"]), 100, 1, clock)
    assert set(spend(budget, clock, costs=costs, full=full)) == {Plan(("a", "b"), 0)}


def test_too_little_drops_views_first_and_ends_in_time():
    clock = Clock()
    costs, full = {"a": (0.0, 1.0), "b": (2.0, 0.0)}, {"a": 8, "b": 1}
    budget = Budget(500.0, ladder(["a", "b"]), 100, 1, clock)  # 5 s each: 2 s for b leave 3 views of a
    chosen = spend(budget, clock, costs=costs, full=full)
    assert clock.now - 100 <= 500
    assert chosen[0] == Plan(("a", "b"), 0)  # nothing is known yet
    assert {plan.members for plan in chosen} == {("a", "b")}
    assert {plan.halvings for plan in chosen[1:]} == {2}  # 2 views of a, chosen once after the first tomogram


def test_what_was_chosen_after_the_first_tomograms_stays():
    clock = Clock()
    budget = Budget(500.0, ladder(["a"]), 100, 1, clock)
    budget.measured(seconds={"a": 8.0}, views={"a": 8}, full={"a": 8}, rest=0.0)
    assert budget.choose(1).halvings == 1
    budget.measured(seconds={"a": 1.0}, views={"a": 4}, full={"a": 8}, rest=0.0)  # cheaper than was thought
    assert budget.choose(2).halvings == 1
    for _ in range(5):
        budget.measured(seconds={"a": 8.0}, views={"a": 4}, full={"a": 8}, rest=0.0)  # slower than was thought
    assert budget.choose(3).halvings > 1


def test_then_the_weakest_member_goes():
    clock = Clock()
    costs, full = {"a": (1.0, 0.0), "b": (4.0, 0.0)}, {"a": 1, "b": 1}
    budget = Budget(200.0, ladder(["a", "b"]), 100, 1, clock)
    chosen = spend(budget, clock, costs=costs, full=full)
    assert clock.now - 100 <= 200 and None not in chosen
    assert {plan.members for plan in chosen} == {("a", "b"), ("a",)}


def test_when_nothing_fits_no_more_is_predicted():
    clock = Clock()
    budget = Budget(35.0, ladder(["a"]), 100, 1, clock)
    chosen = spend(budget, clock, costs={"a": (10.0, 0.0)}, full={"a": 1})
    assert [plan is not None for plan in chosen] == [True] * 3 + [False] * 97
    assert clock.now - 100 <= 35


def test_two_workers_do_twice_as_much():
    clock = Clock()
    one, two = (Budget(100.0, ladder(["a"]), 20, workers, clock) for workers in (1, 2))
    for budget in (one, two):
        budget.measured(seconds={"a": 8.0}, views={"a": 8}, full={"a": 8}, rest=0.0)
    assert (one.choose(1).halvings, two.choose(1).halvings) == (1, 0)


@given(
    seconds=st.floats(10, 1000),
    total=st.integers(1, 60),
    costs=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 2)), min_size=1, max_size=3),
    overhead=st.floats(0, 1),
)
@settings(max_examples=50)
def test_never_later_than_one_unmeasured_tomogram(seconds, total, costs, overhead):
    clock = Clock()
    members = [f"m{i}" for i in range(len(costs))]
    table = dict(zip(members, costs, strict=True))
    budget = Budget(seconds, ladder(members), total, 1, clock)
    spend(budget, clock, costs=table, full=dict.fromkeys(members, 8), overhead=overhead)
    first = sum(base + 8 * each for base, each in costs) + overhead
    # Until a number of views has been measured its cost is a proportional guess, off by at most the base.
    guessed = sum(base for base, _ in costs)
    assert clock.now - 100 <= max(seconds, first) + guessed + 1e-6
