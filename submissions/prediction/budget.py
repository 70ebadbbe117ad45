"""A time budget for many tomograms: what the first ones cost decides what the others get.

When time is short, this is dropped, in this order: test-time views (half of them, then half of the rest, down to one),
then whole members, the weakest first, never the last one. The first tomograms are predicted whole, whatever they take:
nothing is known before. After them the richest plan that fits is chosen for all the others, so that these are alike;
only when even that turns out too slow does a poorer one follow. When not even the poorest fits, no more is predicted.
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tomograms.errors import InputError

HALVINGS = 3
"""How often views are halved: 8, 4, 2, 1."""
MARGIN = 0.02
"""Share of the budget that is kept for the end."""
RECENT = 5
"""Measurements of one kind that count."""


@dataclass(frozen=True)
class Plan:
    """What one tomogram gets.

    Attributes
    ----------
    members
        The members that predict it.
    halvings
        How often their test-time views are halved.
    """

    members: tuple[str, ...]
    halvings: int = 0

    def views(self, full: int) -> int:
        """Return how many of a model's ``full`` views are averaged."""
        return max(1, full >> self.halvings)

    def describe(self, members: Sequence[str]) -> str:
        """Return in words what is dropped against all views of all ``members``."""
        views = "" if self.halvings == 0 else f"test-time views divided by {2**self.halvings}"
        gone = [member for member in members if member not in self.members]
        return "; ".join(part for part in (views, f"without {', '.join(gone)}" if gone else "") if part) or "nothing"


def ladder(members: Sequence[str]) -> list[Plan]:
    """Return all plans from the richest to the poorest; ``members`` come strongest first."""
    by_views = [Plan(tuple(members), halvings) for halvings in range(HALVINGS + 1)]
    by_members = [Plan(tuple(members[:count]), HALVINGS) for count in range(len(members) - 1, 0, -1)]
    return by_views + by_members


def parse_duration(text: str) -> float:
    """Return seconds of ``11h``, ``90m``, ``45s`` or a plain number of seconds.

    Raises
    ------
    InputError
        If it is something else, or not above 0.
    """
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InputError(f"--budget: expected a time above 0 as 11h, 90m or 45s, but got {text!r}")
    return seconds


@dataclass
class Cost:
    """What a member or the rest of the work on one tomogram took, by number of views."""

    seconds: dict[int, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=RECENT)))

    def add(self, views: int, seconds: float) -> None:
        """Add a measurement."""
        self.seconds[views].append(seconds)

    def estimate(self, views: int) -> float:
        """Return the median at this number of views, else that of the nearest one in proportion, else 0."""
        if not self.seconds:
            return 0.0
        nearest = min(self.seconds, key=lambda known: (abs(math.log2(known / views)), known))
        ordered = sorted(self.seconds[nearest])
        return ordered[len(ordered) // 2] * views / nearest


@dataclass
class Budget:
    """Time that is left, and what tomograms cost so far.

    Attributes
    ----------
    seconds
        The whole budget; ``None`` for no limit.
    plans
        From the richest to the poorest.
    total
        Tomograms in all.
    workers
        Tomograms that are predicted at a time.
    clock
        Seconds.
    """

    seconds: float | None
    plans: Sequence[Plan]
    total: int
    workers: int
    clock: Callable[[], float]
    _start: float = field(init=False)
    _rest: Cost = field(default_factory=Cost, init=False)
    _members: dict[str, Cost] = field(default_factory=lambda: defaultdict(Cost), init=False)
    _full: dict[str, int] = field(default_factory=dict, init=False)
    _level: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._start = self.clock()

    def choose(self, begun: int) -> Plan | None:
        """Return the plan of the next tomogram when ``begun`` have been begun; ``None`` if no time is left for it."""
        if self.seconds is None:
            return self.plans[0]
        left = self._start + self.seconds * (1 - MARGIN) - self.clock()
        rounds = math.ceil(max(1, self.total - begun) / self.workers)
        last = len(self.plans) - 1
        while self._level < last and rounds * self.estimate(self.plans[self._level]) > left:
            self._level += 1
        plan = self.plans[self._level]
        return plan if self._level < last or self.estimate(plan) <= left else None

    def estimate(self, plan: Plan) -> float:
        """Return what one tomogram is expected to take under a plan, in seconds."""
        members = sum(self._members[m].estimate(plan.views(self._full.get(m, 1 << HALVINGS))) for m in plan.members)
        return members + self._rest.estimate(1)

    def measured(
        self, *, seconds: Mapping[str, float], views: Mapping[str, int], full: Mapping[str, int], rest: float | None
    ) -> None:
        """Add what one tomogram took.

        Parameters
        ----------
        seconds, views, full
            By member that predicted it: its time, its views, and how many it has.
        rest
            Seconds of everything else; ``None`` where it was not measured.
        """
        for member, spent in seconds.items():
            self._full[member] = full[member]
            self._members[member].add(views[member], spent)
        if rest is not None:
            self._rest.add(1, rest)
