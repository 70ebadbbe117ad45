"""All test tomograms, one after the other: what was predicted before is read, the rest predicted and kept.

A tomogram that cannot be read, or a member that fails on it, is reported and does not end the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from evaluation.run_directory import RunDirectory
from models.member import Predictor
from postproc.candidates import concatenate
from submissions.predict import load_models, predict_member
from submissions.store import Store, prediction_key, weights_key
from tomograms.dataset import Dataset
from tomograms.tomogram import Tomogram


@dataclass(frozen=True)
class Failure:
    """What did not work, in one line.

    Attributes
    ----------
    experiment
        The tomogram.
    member
        The member that failed on it; empty if the tomogram itself could not be read.
    reason
        The error's message.
    """

    experiment: str
    member: str
    reason: str

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.experiment}{': ' if self.member else ''}{self.member}: {self.reason}"


@dataclass(frozen=True)
class Prediction:
    """One tomogram's candidates.

    Attributes
    ----------
    experiment
        The tomogram.
    candidates
        Of every member that worked, single models and averaged (see `submissions.predict.predict_member`).
    members
        The members that worked.
    failures
        What did not.
    """

    experiment: str
    candidates: pd.DataFrame
    members: tuple[str, ...]
    failures: tuple[Failure, ...] = ()


@dataclass
class Inference:
    """A run's members at work on a data set.

    Attributes
    ----------
    run
        The finished cross-validation.
    dataset
        Where the tomograms lie.
    store
        Where candidates are kept.
    device
        ``auto``, ``cpu`` or ``cuda[:N]``.
    """

    run: RunDirectory
    dataset: Dataset
    store: Store
    device: str
    _models: dict[str, dict[str, Predictor]] = field(default_factory=dict, init=False)

    @cached_property
    def weights(self) -> dict[str, dict[str, str]]:
        """The key of each member's weights."""
        return {member: weights_key(self.run, member) for member in self.run.members}

    def models(self, member: str) -> Mapping[str, Predictor]:
        """Return a member's models, loaded at the first call.

        Raises
        ------
        InputError
            If one is missing or damaged.
        """
        if member not in self._models:
            self._models[member] = load_models(self.run, member, device=self.device)
        return self._models[member]

    def predict(
        self, experiment: str, *, members: Sequence[str], advance: Callable[[str], None] = lambda note: None
    ) -> Prediction:
        """Return the candidates of some members in one tomogram, and keep them.

        Raises
        ------
        InputError
            If a member's models cannot be loaded: that is no fault of the tomogram.
        """
        weights = self.weights
        tables: dict[str, pd.DataFrame] = {}
        failures = []
        try:
            keys = {m: prediction_key(self.dataset, experiment, weights[m]) for m in members}
            for member in members:
                if (stored := self.store.read(experiment, member, keys[member])) is not None:
                    tables[member] = stored
            missing = [member for member in members if member not in tables]
            tomogram = self.dataset.tomogram(experiment) if missing else None
        except Exception as error:  # whatever is wrong with this tomogram, the others may be right
            return Prediction(experiment, concatenate([]), (), (Failure(experiment, "", _line(error)),))
        for member in missing:
            models = self.models(member)
            try:
                tables[member] = self._one(tomogram, models, member, advance)
            except Exception as error:  # a member that fails on one tomogram may work on the others
                failures.append(Failure(experiment, member, _line(error)))
            else:
                self.store.write(experiment, member, keys[member], tables[member])
        return Prediction(experiment, concatenate(list(tables.values())), tuple(sorted(tables)), tuple(failures))

    def stored(self, experiment: str, *, members: Sequence[str]) -> Prediction | None:
        """Return what was predicted before; ``None`` if that is nothing."""
        volume = self.dataset
        tables = {
            member: table
            for member in members
            if (table := self.store.read(experiment, member, prediction_key(volume, experiment, self.weights[member])))
            is not None
        }
        if not tables:
            return None
        return Prediction(experiment, concatenate(list(tables.values())), tuple(sorted(tables)))

    def _one(
        self, tomogram: Tomogram | None, models: Mapping[str, Predictor], member: str, advance: Callable[[str], None]
    ) -> pd.DataFrame:
        assert tomogram is not None
        return predict_member(
            tomogram,
            models,
            particles=self.run.particles,
            member=member,
            advance=lambda name: advance(f"{tomogram.name} {name}"),
        )


def predict_all(
    inference: Inference,
    experiments: Sequence[str],
    *,
    members: Sequence[str],
    advance: Callable[[str], None] = lambda note: None,
) -> Iterator[Prediction]:
    """Yield one prediction a tomogram; ``advance`` is told of each model that is done."""
    for experiment in experiments:
        yield inference.predict(experiment, members=members, advance=advance)


def _line(error: Exception) -> str:
    """Return an error as one line that says what it is."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}".rstrip(": ")
