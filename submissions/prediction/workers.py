"""All test tomograms, spread over devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compute.pool import Lost, Tell, work_on
from evaluation.run_directory import open_run
from models import registry
from submissions.prediction.budget import Budget, Plan
from submissions.prediction.inference import Inference, Prediction, failed
from submissions.prediction.store import Store
from tomograms.dataset import DataRecord, open_recorded

OUT_OF_TIME = "not predicted: the time budget is spent"


Order = tuple[str, Plan | None]
"""A tomogram, and what it gets: ``None`` where no time is left for it."""


def predict_all(
    inference: Inference,
    experiments: Sequence[str],
    *,
    budget: Budget,
    devices: Sequence[str],
    advance: Callable[[str], None] = lambda note: None,
    changed: Callable[[str, Plan], None] = lambda experiment, plan: None,
) -> Iterator[Prediction]:
    """Yield one prediction a tomogram, as they are done.

    Parameters
    ----------
    inference
        What is done; with several devices a copy of it works on each.
    experiments
        The tomograms.
    budget
        Decides what each gets, and is told what it took.
    devices
        One or more.
    advance
        Told of each tomogram that is begun and of each model that is done.
    changed
        Told when another plan than before is taken, with the first tomogram that it holds for.

    Raises
    ------
    InputError
        If a member's models cannot be loaded.
    """

    def orders() -> Iterator[Order]:
        last = budget.plans[0]
        for begun, experiment in enumerate(experiments):
            plan = budget.choose(begun)
            if plan is not None and plan != last:
                changed(experiment, plan)
                last = plan
            yield experiment, plan

    for order, result in work_on(
        orders(),
        (lambda device: _predictor(inference)) if len(devices) == 1 else Specification.of(inference),
        devices=devices,
        begun=lambda order, device: advance(f"{order[0]} on {device}"),
        told=lambda order, note: advance(note),
    ):
        if isinstance(result, Lost):  # killed from outside, for memory mostly: the device has a new process
            prediction = failed(order[0], f"its process on {result.device} was killed")
        else:
            prediction = result
        made = prediction.stored
        budget.measured(
            seconds={member: stored.seconds for member, stored in made.items()},
            views={member: stored.views for member, stored in made.items()},
            full={member: stored.full for member, stored in made.items()},
            rest=prediction.rest,
        )
        yield prediction


def _predictor(inference: Inference) -> Callable[[Order, Tell], Prediction]:
    def predict(order: Order, tell: Tell) -> Prediction:
        experiment, plan = order
        if plan is not None:
            return inference.predict(experiment, plan, advance=tell)
        found = inference.stored(experiment)  # what an earlier run has made of it
        return Prediction(experiment, found) if found else failed(experiment, OUT_OF_TIME)

    return predict


@dataclass(frozen=True)
class Specification:
    """What a process needs to set up its own `Inference`; plain and small, since it is sent to it."""

    run: Path
    data: DataRecord
    store: Path
    members: tuple[str, ...]
    final: str
    registry: Mapping[str, str]

    @classmethod
    def of(cls, inference: Inference) -> Specification:
        """Return the specification of an inference's copies."""
        return cls(
            inference.run.path,
            inference.dataset.record(),
            inference.store.path,
            inference.members,
            inference.final,
            dict(registry.MEMBERS),
        )

    def __call__(self, device: str) -> Callable[[Order, Tell], Prediction]:
        """Return what predicts a tomogram on a device."""
        registry.MEMBERS.update(self.registry)
        run, dataset, store = open_run(self.run), open_recorded(self.data), Store(self.store)
        return _predictor(Inference(run, dataset, store, self.members, device, self.final))
