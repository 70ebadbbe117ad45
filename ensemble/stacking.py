"""Stacking: how much each member's finding counts, learned from which clusters were hits.

Members that err together, or of which one is much better than the other, should not count alike. A logistic regression
of hits on the members' evidence finds what each one adds to the others; a prior holds the weights together, so that
a handful of particles cannot tear them apart.
"""

import numpy as np
from numpy.typing import NDArray

from ensemble.logistic import fit_logistic

SPREAD = 0.4
"""Prior standard deviation of a member's coefficient about the members' mean, which is about 1."""
DECIMALS = 3
"""Weights are rounded: nothing finer is known, and another machine's exp and log give the same ones."""


def stacked_weights(
    evidence: NDArray[np.float64],  # (cluster, member), 0 where a member saw nothing
    hit: NDArray[np.bool_],  # (cluster,)
) -> NDArray[np.float64]:  # (member,)
    """Return weights of at least 0, the largest of which is 1; equal ones where nothing can be learned.

    A member that adds nothing to the others can get 0; one without any evidence gets the others' mean.
    """
    members = evidence.shape[1]
    equal = np.ones(members)
    if members == 1 or not hit.any() or hit.all():
        return equal
    apart = np.eye(members) - 1 / members  # only what differs between members is pulled, not their mean
    coefficients, _ = fit_logistic(evidence, hit, prior=equal, precision=apart / SPREAD**2, least=np.zeros(members))
    if not coefficients.max() > 0:
        return equal
    return np.round(coefficients / coefficients.max(), DECIMALS)
