"""From members' test candidates to the list that is submitted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import pandas as pd

from ensemble.clustering import FusionRule
from ensemble.ensemble import Ensemble
from evaluation.run_directory import RunDirectory
from submissions.inference import Prediction
from submissions.predict import one_per_member


def members_in_use(ensemble: Ensemble, run: RunDirectory) -> tuple[str, ...]:
    """Return the run's members that have a weight for some species; the others need not be predicted."""
    active = {member for fusion in ensemble.fusions.values() for member in fusion.active}
    return tuple(member for member in ensemble.members if member in active and member in run.members)


def restrict(ensemble: Ensemble, members: Collection[str]) -> Ensemble:
    """Return the ensemble for tomograms that only some of its members have predicted.

    The others' weights become 0, so that their silence is no vote against a particle. A species that only the others
    voted on is left to the rest, with equal weights.
    """
    if set(members) >= set(ensemble.members):
        return ensemble
    fusions = {}
    for name, fusion in ensemble.fusions.items():
        weights = {member: weight if member in members else 0.0 for member, weight in fusion.weights.items()}
        if not any(weights.values()):
            weights = {member: float(member in members) for member in fusion.weights}
        fusions[name] = FusionRule(weights, fusion.radius_fraction, fusion.variance)
    return replace(ensemble, fusions=fusions)


@dataclass(frozen=True)
class Fusion:
    """The last step for one tomogram after the other.

    Attributes
    ----------
    ensemble
        Fitted out-of-fold.
    run
        Whose models predicted.
    """

    ensemble: Ensemble
    run: RunDirectory

    def fused(self, prediction: Prediction, *, matched: bool = True) -> pd.DataFrame:
        """Return all fused candidates of a tomogram, before any threshold; none if no member worked.

        Parameters
        ----------
        prediction
            What the members found.
        matched
            Whether the averaged models' scores are matched to single models' (see `submissions.score_matching`).
        """
        used = [member for member in prediction.members if member in self.ensemble.members]
        candidates = one_per_member(prediction.candidates, self.run, matched=matched)
        return restrict(self.ensemble, used).apply(candidates) if used else candidates[:0]
