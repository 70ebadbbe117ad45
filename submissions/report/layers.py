"""What each member and the ensemble report in one tomogram, honestly: nothing that is shown was fitted to its truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ensemble.ensemble import FILE, Ensemble
from ensemble.fitting import fit_alone
from ensemble.records import gather
from evaluation.matching import match
from evaluation.run_directory import RunDirectory
from submissions.prediction.fusion import Fusion
from submissions.prediction.inference import Prediction
from tomograms.files import read_json
from tomograms.particles import Particle
from tomograms.picks import TRUTH_COLUMNS

FUSED = "fused"
HIT, MISS, FALSE_POSITIVE, FOUND = "hit", "miss", "false positive", "found"
"""Kinds of marks; the last where there is no truth."""


@dataclass(frozen=True)
class Layers:
    """The layers of any tomogram of a run.

    Attributes
    ----------
    fusion
        The run's ensemble, fitted on all folds.
    candidates
        Out-of-fold candidates, one list a member.
    by_fold
        Held-out runs -> the ensemble that was fitted without them.
    alone
        (Runs left out, member) -> the member's own rule, fitted when it is first asked for.
    """

    fusion: Fusion
    candidates: pd.DataFrame
    by_fold: Mapping[tuple[str, ...], Ensemble]
    alone: dict[tuple[tuple[str, ...], str], Ensemble] = field(default_factory=dict, compare=False)

    def held_out(self, experiment: str) -> dict[str, pd.DataFrame]:
        """Return what is reported in a held-out run by name of the member, the ensemble last.

        Everything is fitted on the other folds (the ensemble with an ``ensemble.json`` of `ensemble.build`).
        """
        (fold,) = (fold for fold in self.fusion.run.folds if experiment in fold.held_out)
        ensemble = self.by_fold.get(fold.held_out, self.fusion.ensemble)
        own = self.candidates[self.candidates["experiment"] == experiment]
        return {**self.members(own, fold.held_out), FUSED: ensemble.predict(own)}

    def test(self, prediction: Prediction) -> dict[str, pd.DataFrame]:
        """Return what is reported in a test tomogram by name of the member, the ensemble last."""
        fused = self.fusion.keep(self.fusion.fused(prediction))
        return {**self.members(prediction.candidates, ()), FUSED: fused}

    def members(self, own: pd.DataFrame, without: tuple[str, ...]) -> dict[str, pd.DataFrame]:
        """Return what each member alone reports, calibrated and cut by rules that were fitted ``without`` some runs."""
        return {member: self._alone(member, without).predict(own) for member in self.fusion.ensemble.members}

    def _alone(self, member: str, without: tuple[str, ...]) -> Ensemble:
        """Return a member's own rule."""
        key = (without, member)
        if key not in self.alone:
            truth, others = (
                table[~table["experiment"].isin(without)] for table in (self.fusion.run.truth(), self.candidates)
            )
            self.alone[key] = fit_alone(truth, others, particles=self.fusion.run.particles, member=member)
        return self.alone[key]


def load_layers(fusion: Fusion) -> Layers:
    """Return the layers of a run whose ensemble has been built.

    Raises
    ------
    InputError
        If a file of the run is missing or damaged.
    """
    run: RunDirectory = fusion.run
    record = read_json(run.path / FILE)
    by_fold = {tuple(f["held_out"]): Ensemble.from_record(f["ensemble"]) for f in record.get("folds", [])}
    added = [member for member in fusion.ensemble.members if member not in run.members]
    return Layers(fusion, gather(run, added), by_fold)


def judge(truth: pd.DataFrame | None, found: pd.DataFrame, particles: tuple[Particle, ...]) -> pd.DataFrame:
    """Return the marks of some tomograms: the columns of truth, ``score`` (NaN for misses) and ``kind``.

    As the metric counts: of several candidates on one true particle the best is a hit and the others are false
    positives. Without truth everything is `FOUND`.

    Parameters
    ----------
    truth
        Of these tomograms; ``None`` where nobody knows it.
    found
        What is reported there.
    particles
        Every species.
    """
    columns = [*TRUTH_COLUMNS, "score"]
    marks = found[columns].reset_index(drop=True)
    if truth is None:
        return marks.assign(kind=FOUND)
    experiments = sorted({*truth["experiment"], *found["experiment"]})
    matches = match(truth, found, particles, experiments=experiments)
    pairs = pd.DataFrame({"truth": matches.pair_truth, "row": matches.row[matches.pair_prediction]})
    pairs["score"] = found["score"].to_numpy()[pairs["row"]]
    best = pairs.sort_values(["truth", "score", "row"], ascending=[True, False, True]).drop_duplicates("truth")
    marks["kind"] = FALSE_POSITIVE
    marks.loc[best["row"].unique(), "kind"] = HIT
    missed = truth.drop(index=truth.index[best["truth"]])[TRUTH_COLUMNS].assign(score=np.nan, kind=MISS)
    return pd.concat([table for table in (marks, missed) if len(table)] or [marks], ignore_index=True)
