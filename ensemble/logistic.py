"""Logistic regression with bounds and a stated prior: what stacking and competition are learned with."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

TOLERANCE = 1e-12
"""Relative change of the loss at which the search ends."""


def smoothed_targets(hit: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return targets smoothed by one hit and one miss (Platt 1999, eq. 10), ``(n,)``, so that no slope is infinite."""
    hits, misses = int(hit.sum()), int((~hit).sum())
    return np.where(hit, (hits + 1) / (hits + 2), 1 / (misses + 2))


def fit_logistic(
    features: NDArray[np.float64],
    hit: NDArray[np.bool_],
    *,
    prior: NDArray[np.float64],
    precision: NDArray[np.float64],
    least: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return the coefficients and the intercept that make hits likeliest, given a normal prior.

    Parameters
    ----------
    features
        ``(n, k)`` finite.
    hit
        ``(n,)`` with a hit and a miss.
    prior, precision
        ``(k,)`` mean and ``(k, k)`` inverse covariance of the coefficients; directions of precision 0 are free.
    least
        ``(k,)`` lower bounds of the coefficients.
    """
    target, width = smoothed_targets(hit), len(prior)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value = features @ parameters[:width] + parameters[width]
        likelihood = np.logaddexp(0.0, value) - target * value
        residual = np.exp(-np.logaddexp(0.0, -value)) - target
        pull = precision @ (parameters[:width] - prior)
        penalty = (parameters[:width] - prior) @ pull / 2
        return float(likelihood.sum() + penalty), np.append(features.T @ residual + pull, residual.sum())

    found = minimize(
        loss,
        np.append(np.maximum(prior, least), 0.0),
        jac=True,
        method="L-BFGS-B",
        bounds=[*((low, None) for low in least), (None, None)],
        options={"ftol": TOLERANCE, "gtol": 1e-8, "maxiter": 1000},
    )
    return found.x[:width], float(found.x[width])
