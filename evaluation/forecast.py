"""How long trainings will take on this machine, from the first measured steps of each member."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable

from tomograms.console import duration

SHARE, SECONDS = 0.05, 5.0
"""Of a training, and of the clock, that must have been seen before anything is foretold."""


class Forecast:
    """Says, once for each member, how long its trainings will take.

    Parameters
    ----------
    members
        The member of each training that is to be done.
    processes
        How many are done at a time.
    say
        Takes a line.
    clock
        Seconds; replaced in tests.
    """

    def __init__(
        self,
        members: Iterable[str],
        *,
        processes: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._left = Counter(members)
        self._processes = processes
        self._say = say
        self._clock = clock
        self._first: dict[str, tuple[str, float, float]] = {}
        self._known: set[str] = set()

    def told(self, member: str, training: str, done: int, total: int) -> None:
        """Take note that a training has done so many of its steps.

        The first note of a step is where the clock starts: what was done before it (imports, reading, an interrupted
        training's steps) is not measured.
        """
        if member in self._known or not done:
            return
        share, now = done / total, self._clock()
        name, since, at = self._first.setdefault(member, (training, share, now))
        if training != name or share - since < SHARE or now - at < SECONDS:
            return
        self._known.add(member)
        whole = (now - at) / (share - since)
        rounds = math.ceil(self._left[member] / self._processes)
        later = [other for other in self._left if other not in self._known]
        rest = f"; {', '.join(later)} not measured yet" if later else ""
        self._say(
            f"about {duration(whole * rounds)} for {self._left[member]} trainings of {member} on this machine, as "
            f"measured on the first {duration(now - at)} of one{rest}"
        )
