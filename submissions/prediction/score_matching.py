"""Averaged models' scores on the scale of single models' scores.

Thresholds, calibration and weights were fitted to out-of-fold candidates, each scored by *one* fold model that had not
seen the tomogram. At test time a member's fold models are averaged, and averaging changes scores: where the models
disagree, the average is lower than the best of them, where they agree it is not. A threshold would cut at another
place.

No fold model has seen the test tomogram either, so its own candidates there have the out-of-fold distribution, and the
averaged candidates are given scores of that distribution by rank: the k-th best averaged candidate gets the score that
the single models' k-th best have. Hence any threshold keeps as many averaged candidates as a single model keeps there
on average, but better chosen ones. This needs no truth, and no assumption that test tomograms are as crowded as the
training ones: the ranks are matched within one tomogram.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from postproc.candidates import in_order


def match_ranks(
    scores: ArrayLike,  # (m,)
    reference: ArrayLike,  # (n,) pooled over n_models models
    n_models: int,
) -> NDArray[np.float64]:  # (m,)
    """Return ``scores`` mapped by rank to the pooled scores of ``n_models`` single models.

    The k-th best (k = 1, 2, ...) gets the pooled scores' value, in descending order, in the middle of places
    ``(k - 1) n_models + 1 ... k n_models``, linearly interpolated. Ties share their mean rank, so they stay ties. Past
    the last pooled score, where single models list nothing, a score is kept, but never above the lowest pooled one.

    The map is monotone, depends on no order of its inputs, and is the identity when all models give the same scores.
    """
    own = np.asarray(scores, np.float64)
    pooled = np.sort(np.asarray(reference, np.float64))[::-1]
    if len(own) == 0 or len(pooled) == 0:
        return own.copy()
    distinct, inverse, count = np.unique(own, return_inverse=True, return_counts=True)
    above = len(own) - np.cumsum(count)  # how many scores are higher
    rank = above + (count - 1) / 2  # from 0
    place = rank * n_models + (n_models - 1) / 2
    matched = np.interp(place, np.arange(len(pooled)), pooled)
    past = place > len(pooled) - 1
    matched[past] = np.minimum(distinct[past], pooled[-1])
    return matched[inverse]


def match_scores(averaged: pd.DataFrame, singles: pd.DataFrame, n_models: int) -> pd.DataFrame:
    """Return the averaged candidates of one member with their scores matched per tomogram and species.

    Parameters
    ----------
    averaged
        Candidates of the averaged models of one member.
    singles
        Candidates of its single models, in the same tomograms.
    n_models
        How many models there are; those that found nothing count too.
    """
    out = averaged.copy()
    reference = {key: rows["score"] for key, rows in singles.groupby(["experiment", "particle_type"])}
    for key, rows in averaged.groupby(["experiment", "particle_type"]):
        out.loc[rows.index, "score"] = match_ranks(rows["score"], reference.get(key, []), n_models)
    return in_order(out)
