"""One tomogram with all members: what was predicted before is read, the rest predicted and kept.

A tomogram that cannot be read, or a member that fails on it, is reported and does not end the run. A device that fails
is no fault of the tomogram's: that is raised, so that another one can predict it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from compute.faults import DeviceError, is_device_fault, within_memory
from evaluation.run_directory import RunDirectory
from models.member import Predictor
from postproc.candidates import concatenate
from submissions.prediction.ahead import Ahead, Seen
from submissions.prediction.averaging import load_models, predict_member
from submissions.prediction.budget import Plan
from submissions.prediction.final import FOLDS, model_folders
from submissions.prediction.store import Store, Stored, prediction_key, weights_key
from tomograms.appearance import appearance, unlike
from tomograms.dataset import Dataset
from tomograms.errors import InputError
from tomograms.tomogram import Tomogram


@dataclass(frozen=True)
class Failure:
    """What did not work, in one line.

    Attributes
    ----------
    experiment
        The tomogram.
    member
        The member that failed on it; empty if the tomogram as a whole did.
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
    """What is known of one tomogram.

    Attributes
    ----------
    experiment
        The tomogram.
    stored
        By member that worked.
    failures
        What did not.
    rest
        Seconds of everything but the members' predictions and the loading of models; ``None`` if none was made.
    """

    experiment: str
    stored: Mapping[str, Stored]
    failures: tuple[Failure, ...] = ()
    rest: float | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """The members that worked."""
        return tuple(sorted(self.stored))

    @property
    def remark(self) -> str:
        """What sets the tomogram apart from those that the run was trained on, in words."""
        return max((stored.remark for stored in self.stored.values()), default="")

    @property
    def candidates(self) -> pd.DataFrame:
        """Every member's candidates."""
        return concatenate([stored.candidates for stored in self.stored.values()])


def failed(experiment: str, reason: str) -> Prediction:
    """Return the prediction of a tomogram that failed as a whole."""
    return Prediction(experiment, {}, (Failure(experiment, "", reason),))


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
    members
        Those of the run's members that predict.
    device
        ``auto``, ``cpu`` or ``cuda[:N]``.
    final
        Which models; see `submissions.prediction.final`.
    """

    run: RunDirectory
    dataset: Dataset
    store: Store
    members: tuple[str, ...]
    device: str
    final: str = FOLDS
    _models: dict[str, dict[str, Predictor]] = field(default_factory=dict, init=False)
    _full: dict[str, int] = field(default_factory=dict, init=False)
    _ahead: Ahead = field(default_factory=Ahead, init=False)

    @cached_property
    def weights(self) -> dict[str, dict[str, str]]:
        """The key of each member's weights."""
        return {member: weights_key(self.folders(member)) for member in self.members}

    def folders(self, member: str) -> dict[str, Path]:
        """Return the folders of a member's models, by name."""
        return model_folders(self.run, member, self.final)

    def models(self, member: str) -> Mapping[str, Predictor]:
        """Return a member's models, loaded at the first call.

        Raises
        ------
        InputError
            If one is missing or damaged.
        DeviceError
            If the device cannot load them.
        """
        if member not in self._models:
            try:
                self._models[member] = load_models(member, self.folders(member), device=self.device)
            except InputError:
                raise
            except Exception as error:  # the weights are right: whatever it is, it is the device's
                raise DeviceError(f"{self.device} cannot load {member}: {in_a_line(error)}") from error
            self._full[member] = max(model.views for model in self._models[member].values())
        return self._models[member]

    def stored(self, experiment: str) -> dict[str, Stored]:
        """Return what was predicted before, by member."""
        return self._stored(experiment, self.dataset.volume_hash(experiment))

    def _stored(self, experiment: str, volume: str) -> dict[str, Stored]:
        found = {member: self.store.read(experiment, member, key) for member, key in self._keys(volume).items()}
        return {member: stored for member, stored in found.items() if stored is not None}

    def _see(self, experiment: str, plan: Plan) -> Seen:
        """Read what was predicted before, and the tomogram unless that is all that is planned."""
        volume = self.dataset.volume_hash(experiment)
        stored = self._stored(experiment, volume)
        if len(_enough(stored, plan)) == len(plan.members):
            return Seen(volume, stored)
        tomogram = self.dataset.tomogram(experiment)
        return Seen(volume, stored, tomogram, unlike(appearance(tomogram), list(self.run.record.appearances.values())))

    def _keys(self, volume: str) -> dict[str, dict[str, Any]]:
        """Return what each member's prediction of a tomogram with this hash depends on."""
        return {member: prediction_key(volume, weights) for member, weights in self.weights.items()}

    def predict(
        self,
        experiment: str,
        plan: Plan,
        *,
        following: str | None = None,
        advance: Callable[[str], None] = lambda note: None,
    ) -> Prediction:
        """Return the candidates in one tomogram, and keep them.

        Parameters
        ----------
        experiment
            The tomogram.
        plan
            Which members, and how many views; what was kept with as many or more is taken.
        following
            The tomogram that probably comes next: it is read meanwhile.
        advance
            Told of each part that is done.

        Raises
        ------
        InputError
            If a member's weights are missing or damaged: that is no fault of the tomogram.
        DeviceError, RuntimeError
            If the device fails; see `compute.faults.is_device_fault`.
        """
        start = time.perf_counter()
        self.weights  # noqa: B018 - missing weights are no fault of the tomogram either
        failures = []
        spent = 0.0
        try:
            seen = self._ahead.take(experiment, lambda: self._see(experiment, plan))
            kept = _enough(seen.stored, plan)  # by the plan of now: it may have changed since the tomogram was seen
            missing = [member for member in plan.members if member not in kept]
            tomogram = seen.tomogram or (self.dataset.tomogram(experiment) if missing else None)
        except Exception as error:  # whatever is wrong with this tomogram, the others may be right
            return failed(experiment, in_a_line(error))
        finally:
            if following is not None:
                self._ahead.begin(following, lambda: self._see(following, plan))
        if tomogram is None:
            return Prediction(experiment, kept)
        keys = self._keys(seen.volume)
        for member in missing:
            begin = time.perf_counter()
            self.models(member)
            loaded = time.perf_counter()  # done once, and no measure of what the next tomogram takes
            try:
                candidates, views = self._one(tomogram, member, plan, advance)
            except Exception as error:  # a member that fails on one tomogram may work on the others
                if is_device_fault(error):
                    raise
                failures.append(Failure(experiment, member, in_a_line(error)))
            else:
                kept[member] = Stored(candidates, views, self._full[member], time.perf_counter() - loaded, seen.remark)
                self.store.write(experiment, member, keys[member], kept[member])
            spent += time.perf_counter() - begin
        return Prediction(experiment, kept, tuple(failures), time.perf_counter() - start - spent)

    def _one(
        self, tomogram: Tomogram, member: str, plan: Plan, advance: Callable[[str], None]
    ) -> tuple[pd.DataFrame, int]:
        """Return one member's candidates and how many views were averaged: fewer where memory is short."""
        models = self.models(member)

        def attempt(views: int) -> pd.DataFrame:
            return predict_member(
                tomogram,
                models,
                particles=self.run.particles,
                member=member,
                views=views,
                device=self.device,
                advance=lambda name: advance(f"{tomogram.name} {name}"),
            )

        return within_memory(attempt, plan.views(self._full[member]), lambda views: views // 2 or None)


def _enough(stored: Mapping[str, Stored], plan: Plan) -> dict[str, Stored]:
    """Return what has as many views as planned, or more, of the members that are planned."""
    return {
        member: stored[member]
        for member in plan.members
        if member in stored and stored[member].views >= plan.views(stored[member].full)
    }


def in_a_line(error: BaseException) -> str:
    """Return an error as one line that says what it is."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}".rstrip(": ")
