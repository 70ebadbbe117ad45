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
from ensemble.competition import CompetitionWeights, compete
from ensemble.cutting import Cut, keep
from evaluation.matching import codes
from evaluation.residuals import shift
from tomograms.errors import InputError
from tomograms.files import read_json
from tomograms.particles import Particle, from_records, to_records

FILE = "ensemble.json"
Scale = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Maps ``(n,)`` scores; a `Calibration` is one."""


@dataclass(frozen=True)
class SpeciesRule(FusionRule):
    """All that was fitted for one species; its fields are those of ``ensemble.json``.

    Attributes
    ----------
    weights, radius_fraction, variance
        See `ensemble.clustering.FusionRule`.
    calibration
        Member -> calibration of its scores.
    fused_calibration
        Of the fused score.
    contest
        What the species makes of others at its place; ``None`` where they do not compete (see `ensemble.competition`).
    cut
        Of each tomogram (see `ensemble.cutting`).
    """

    calibration: Mapping[str, Calibration]
    fused_calibration: Calibration
    contest: CompetitionWeights | None
    cut: Cut

    def to_record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SpeciesRule:
        """Return the rule that `to_record` wrote, exactly."""
        parsed = {
            "calibration": {member: Calibration.from_record(own) for member, own in record["calibration"].items()},
            "fused_calibration": Calibration.from_record(record["fused_calibration"]),
            "contest": None if record["contest"] is None else CompetitionWeights(**record["contest"]),
            "cut": Cut(**record["cut"]),
        }
        return cls(**{**record, **parsed})


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
    rules
        By species.
    """

    members: tuple[str, ...]
    particles: tuple[Particle, ...]
    corrections: Mapping[str, tuple[float, float, float]]
    rules: Mapping[str, SpeciesRule]

    @property
    def thresholds(self) -> dict[str, float]:
        """None: each tomogram is cut by itself, see `keep`."""
        return {}

    def keep(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return those of whole tomograms' fused candidates that are reported; see `ensemble.cutting`."""
        return keep(table, {name: rule.cut for name, rule in self.rules.items()})

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
        calibrations = {name: rule.calibration for name, rule in self.rules.items()}
        weighed = weigh(shift(candidates, self.corrections), calibrations)
        fused = fuse(weighed, self.particles, rules=self.rules)
        scored = rescore(fused, {name: rule.fused_calibration for name, rule in self.rules.items()})
        contests = {name: rule.contest for name, rule in self.rules.items() if rule.contest is not None}
        return compete(scored, self.particles, contests) if contests else scored

    def predict(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Return the fused candidates that are reported; see `apply` and `keep`."""
        return self.keep(self.apply(candidates))

    def dropped(self, particle_type: str) -> tuple[str, ...]:
        """Return the members that take no part in a species."""
        weights = self.rules[particle_type].weights
        return tuple(member for member in self.members if not weights[member] > 0)

    def to_record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "members": list(self.members),
            "particles": to_records(self.particles),
            "corrections": {member: list(correction) for member, correction in self.corrections.items()},
            "rules": {name: rule.to_record() for name, rule in self.rules.items()},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Ensemble:
        """Return the ensemble that `to_record` wrote, exactly."""
        return cls(
            tuple(record["members"]),
            from_records(record["particles"]),
            {member: (float(x), float(y), float(z)) for member, (x, y, z) in record["corrections"].items()},
            {name: SpeciesRule.from_record(rule) for name, rule in record["rules"].items()},
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
        raise InputError(
            f"{path}: expected the ensemble that this version of ensemble.build writes, but got {error!r}; "
            "build it again"
        ) from None


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
