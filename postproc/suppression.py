"""Greedy suppression: the best stays, what is near it goes, and so on."""

import numpy as np
from numpy.typing import NDArray


def suppress(
    pairs: NDArray[np.int64],  # (m, 2) ranks of rows that are near each other, the better (lower) one first
    count: int,
) -> NDArray[np.bool_]:  # (count,) by rank
    """Return which rows stay when each, best first, removes the worse ones that are near it.

    The sequence is worked off in rounds of whole arrays: in each, every row that no undecided better one is near stays,
    and removes its neighbours. Ranks are the order, so that ties are the caller's to break.
    """
    kept = np.ones(count, bool)
    better, worse = pairs[:, 0], pairs[:, 1]
    while len(better):
        beaten = np.zeros(count, bool)
        beaten[worse] = True
        stays = ~beaten[better]
        gone = np.zeros(count, bool)
        gone[worse[stays]] = True
        kept &= ~gone
        left = ~(stays | gone[better] | gone[worse])
        better, worse = better[left], worse[left]
    return kept
