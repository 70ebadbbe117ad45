"""The ensemble: members' candidates in, one calibrated list out; the same from memory and from ``ensemble.json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.calibration import Calibration, evidence
from ensemble.clustering import FusionRule, fuse
from ensemble.competition import Contest, compete
from ensemble.points import codes
from evaluation import thresholds as thresholds_record
from evaluation.residuals import shift
from evaluation.thresholds import apply_thresholds
from tomograms.errors import InputError
from tomograms.files import read_json
from tomograms.particles import Particle, from_records, to_records

FILE = "ensemble.json"
Scale = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Maps ``(n,)`` scores; a `Calibration` is one."""


@dataclass(frozen=True)
class Ensemble:
    """Everything that was fitted to picks; a rule of `evaluation.nested` too.

    Attributes
    ----------
    members
        Names, sorted.
    particles
        Every species.
    corrections
        Member -> what is taken from its x, y, z first, in Å (see `evaluation.residuals`).
    calibrations
        Species -> member -> calibration.
    fusions
        Species -> weights, radius and localisation variances.
    fused
        Species -> calibration of the fused score.
    contests
        Species -> what it makes of other species at its place; empty where they do not compete (see
        `ensemble.competition`).
    thresholds
        Species -> lowest fused, calibrated score that is reported; inf for none.
    swept, theory
        Species -> the threshold that the sweep found, and the one that theory demands; ``thresholds`` lie between them
        (see `fitting.fit_threshold`).
    """

    members: tuple[str, ...]
    particles: tuple[Particle, ...]
    corrections: Mapping[str, tuple[float, float, float]]
    calibrations: Mapping[str, Mapping[str, Calibration]]
    fusions: Mapping[str, FusionRule]
    fused: Mapping[str, Calibration]
    contests: Mapping[str, Contest]
    thresholds: Mapping[str, float]
    swept: Mapping[str, float]
    theory: Mapping[str, float]

    def apply(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Return all fused candidates with calibrated scores, in the total order.

        Parameters
        ----------
        candidates
            The members' candidates, one model per member and experiment (see `clustering.average_models`). A member
            that is not of the ensemble is left out; one without candidates counts as having seen nothing.

        Raises
        ------
        ValueError
            If a member has several models in one experiment.
        """
        _refuse_several_models(candidates)
        weighed = weigh(shift(candidates, self.corrections), self.calibrations)
        fused = rescore(fuse(weighed, self.particles, rules=self.fusions), self.fused)
        return compete(fused, self.particles, self.contests) if self.contests else fused

    def predict(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Return the fused candidates that reach their species' threshold; see `apply`."""
        return apply_thresholds(self.apply(candidates), self.thresholds)

    __call__ = predict

    def dropped(self, particle_type: str) -> tuple[str, ...]:
        """Return the members that take no part in a species."""
        weights = self.fusions[particle_type].weights
        return tuple(member for member in self.members if not weights[member] > 0)

    def to_record(self) -> dict[str, Any]:
        """Return it for JSON."""
        limits, swept = (thresholds_record.to_record(limits) for limits in (self.thresholds, self.swept))
        return {
            "members": list(self.members),
            "particles": to_records(self.particles),
            "corrections": {member: list(correction) for member, correction in self.corrections.items()},
            "rules": {
                name: {
                    "weights": dict(fusion.weights),
                    "radius_fraction": fusion.radius_fraction,
                    "variance": dict(fusion.variance),
                    "calibration": {m: c.to_record() for m, c in self.calibrations[name].items()},
                    "fused_calibration": self.fused[name].to_record(),
                    "contest": asdict(self.contests[name]) if self.contests else None,
                    "threshold": limits[name],
                    "swept_threshold": swept[name],
                    "theory_threshold": self.theory[name],
                }
                for name, fusion in self.fusions.items()
            },
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Ensemble:
        """Return the ensemble that `to_record` wrote, exactly."""
        rules = record["rules"]
        return cls(
            tuple(record["members"]),
            from_records(record["particles"]),
            {member: (float(x), float(y), float(z)) for member, (x, y, z) in record["corrections"].items()},
            {n: {m: Calibration.from_record(c) for m, c in r["calibration"].items()} for n, r in rules.items()},
            {n: FusionRule(r["weights"], float(r["radius_fraction"]), r["variance"]) for n, r in rules.items()},
            {n: Calibration.from_record(r["fused_calibration"]) for n, r in rules.items()},
            {n: Contest(**r["contest"]) for n, r in rules.items() if r["contest"] is not None},
            thresholds_record.from_record({n: r["threshold"] for n, r in rules.items()}),
            thresholds_record.from_record({n: r["swept_threshold"] for n, r in rules.items()}),
            {n: float(r["theory_threshold"]) for n, r in rules.items()},
        )


def load_ensemble(path: Path) -> Ensemble:
    """Return the ensemble of an ``ensemble.json``.

    Raises
    ------
    InputError
        If the file is missing or holds something else.
    """
    record = read_json(path)
    try:
        return Ensemble.from_record(record["ensemble"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: expected the ensemble that ensemble.build writes, but got {error!r}") from None


def _refuse_several_models(candidates: pd.DataFrame) -> None:
    experiment, member, model = (
        pd.factorize(candidates[name].to_numpy(object))[0] for name in ("experiment", "member", "model")
    )
    pair = experiment * (member.max(initial=0) + 1) + member
    first = np.full(int(pair.max(initial=-1)) + 1, -1)
    first[pair[::-1]] = model[::-1]
    other = np.flatnonzero(first[pair] != model)
    if len(other):
        name, where = candidates.iloc[other[0]][["member", "experiment"]]
        raise ValueError(f"expected one model per member, but got several of {name} in {where}")


def calibrate(candidates: pd.DataFrame, calibrations: Mapping[str, Mapping[str, Scale]]) -> pd.DataFrame:
    """Return the candidates of the calibrated species and members, their scores as probabilities.

    Parameters
    ----------
    candidates
        Any members' candidates.
    calibrations
        Species -> member -> calibration or another map of scores; rows without one are left out.
    """
    score = np.full(len(candidates), np.nan)
    names, members = list(calibrations), sorted({key for by_member in calibrations.values() for key in by_member})
    species, member = codes(candidates["particle_type"], names), codes(candidates["member"], members)
    raw = candidates["score"].to_numpy(np.float64)
    for label, name in enumerate(names):
        for key, calibration in calibrations[name].items():
            rows = np.flatnonzero((species == label) & (member == members.index(key)))
            score[rows] = calibration(raw[rows])
    kept = candidates.assign(score=score)
    return kept[~np.isnan(score)].reset_index(drop=True)


def weigh(candidates: pd.DataFrame, calibrations: Mapping[str, Mapping[str, Calibration]]) -> pd.DataFrame:
    """Return calibrated candidates with their evidence as score: what is fused."""
    table = calibrate(candidates, calibrations)
    return table.assign(score=evidence(table["score"].to_numpy(np.float64)))


def rescore(table: pd.DataFrame, calibrations: Mapping[str, Calibration]) -> pd.DataFrame:
    """Return fused candidates with the fused score calibrated; the order of rows is kept, for the map increases."""
    score = table["score"].to_numpy(np.float64).copy()
    species = codes(table["particle_type"], list(calibrations))
    for label, calibration in enumerate(calibrations.values()):
        rows = np.flatnonzero(species == label)
        score[rows] = calibration(score[rows])
    return table.assign(score=score)
