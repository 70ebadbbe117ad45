"""All test tomograms, spread over devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compute.pool import Care, Lost, work_on
from compute.worker import Tell
from evaluation.run_directory import open_run
from models import registry
from submissions.prediction.budget import Budget, Plan
from submissions.prediction.inference import Inference, Prediction, failed
from submissions.prediction.store import Store
from tomograms.dataset import DataRecord, open_recorded

OUT_OF_TIME = "not predicted: the time budget is spent"
CARE = Care()
"""A tomogram whose process or device fails is tried once more elsewhere."""

Order = tuple[str, Plan | None, str | None]
"""A tomogram, what it gets (``None`` where no time is left for it), and which one probably follows on its device."""


def predict_all(
    inference: Inference,
    experiments: Sequence[str],
    *,
    budget: Budget,
    devices: Sequence[str],
    advance: Callable[[str], None] = lambda note: None,
    changed: Callable[[str, Plan], None] = lambda experiment, plan: None,
    say: Callable[[str], None] = lambda line: None,
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
    say
        Takes a line about each fault after which a tomogram is tried once more, or a device is dropped.

    Raises
    ------
    InputError
        If a member's weights are missing or damaged. Where a device cannot load them, that is its fault.
    """

    def faulty(order: Order, lost: Lost, dropped: str | None) -> None:
        budget.workers = max(1, budget.workers - (list(devices).count(dropped) if dropped else 0))
        after = f"; {dropped} is used no more" if dropped else ""
        say(f"{order[0]}: {lost}; it is predicted anew, elsewhere if possible{after}")

    def orders() -> Iterator[Order]:
        last = budget.plans[0]
        for begun, experiment in enumerate(experiments):
            plan = budget.choose(begun)
            if plan is not None and plan != last:
                changed(experiment, plan)
                last = plan
            later = begun + budget.workers
            yield experiment, plan, experiments[later] if later < len(experiments) else None

    def done(order: Order, prediction: Prediction) -> None:
        made = prediction.stored
        budget.measured(
            seconds={member: stored.seconds for member, stored in made.items()},
            views={member: stored.views for member, stored in made.items()},
            full={member: stored.full for member, stored in made.items()},
            rest=prediction.rest,
        )

    for order, result in work_on(
        orders(),
        (lambda device: _predictor(inference)) if list(devices) == ["cpu"] else Specification.of(inference),
        devices=devices,
        begun=lambda order, device: advance(f"{order[0]} on {device}"),
        told=lambda order, note: advance(note),
        care=CARE,
        faulty=faulty,
        done=done,
    ):
        yield failed(order[0], str(result)) if isinstance(result, Lost) else result


def _predictor(inference: Inference) -> Callable[[Order, Tell], Prediction]:
    def predict(order: Order, tell: Tell) -> Prediction:
        experiment, plan, following = order
        if plan is not None:
            return inference.predict(experiment, plan, following=following, advance=tell)
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
