"""All test tomograms, spread over devices: in this process for one device, in a process each for several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from evaluation.run_directory import open_run
from models import registry
from submissions.prediction.budget import Budget, Plan
from submissions.prediction.inference import Inference, Prediction, failed
from submissions.prediction.store import Store
from tomograms.dataset import open_recorded

OUT_OF_TIME = "not predicted: the time budget is spent"


def find_devices(asked: Sequence[str]) -> list[str]:
    """Return the devices to work on: those that were asked for, or every GPU for ``auto``.

    Torch is imported only for ``auto``.
    """
    if list(asked) != ["auto"]:
        return list(asked)
    from compute.precision import every_gpu

    found = every_gpu()
    return found if len(found) > 1 else ["auto"]


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
        Told of each model that is done (one device) or tomogram that is begun (several).
    changed
        Told when another plan than before is taken, with the first tomogram that it holds for.

    Raises
    ------
    InputError
        If a member's models cannot be loaded.
    """
    spread = _in_process if len(devices) == 1 else _in_processes
    last = budget.plans[0]

    def next_plan(begun: int) -> Plan | None:
        nonlocal last
        plan = budget.choose(begun)
        if plan is not None and plan != last:
            changed(experiments[begun], plan)
            last = plan
        return plan

    for prediction in spread(inference, experiments, next_plan, budget.limited, devices, advance):
        made = prediction.stored
        budget.measured(
            seconds={member: stored.seconds for member, stored in made.items()},
            views={member: stored.views for member, stored in made.items()},
            full={member: stored.full for member, stored in made.items()},
            rest=prediction.rest,
        )
        yield prediction


def _in_process(
    inference: Inference,
    experiments: Sequence[str],
    next_plan: Callable[[int], Plan | None],
    accept_poorer: bool,
    devices: Sequence[str],
    advance: Callable[[str], None],
) -> Iterator[Prediction]:
    for begun, experiment in enumerate(experiments):
        plan = next_plan(begun)
        if plan is None:
            yield _stored_or_failed(inference, experiment, accept_poorer)
        else:
            yield inference.predict(experiment, plan, accept_poorer=accept_poorer, advance=advance)


def _in_processes(
    inference: Inference,
    experiments: Sequence[str],
    next_plan: Callable[[int], Plan | None],
    accept_poorer: bool,
    devices: Sequence[str],
    advance: Callable[[str], None],
) -> Iterator[Prediction]:
    specification = Specification(
        inference.run.path,
        inference.dataset.record(),
        inference.store.path,
        inference.members,
        inference.final,
        dict(registry.MEMBERS),
    )
    pools = {slot: specification.pool(device) for slot, device in enumerate(devices)}
    idle = list(pools)
    running: dict[Future[Prediction], tuple[int, str]] = {}
    begun = 0
    try:
        while begun < len(experiments) or running:
            while idle and begun < len(experiments):
                experiment, plan = experiments[begun], next_plan(begun)
                begun += 1
                if plan is None:
                    yield _stored_or_failed(inference, experiment, accept_poorer)
                    continue
                slot = idle.pop(0)
                advance(f"{experiment} on {devices[slot]}")
                running[pools[slot].submit(_predict_one, experiment, plan, accept_poorer)] = slot, experiment
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                slot, experiment = running.pop(future)
                try:
                    prediction = future.result()
                except BrokenProcessPool:
                    # Killed from outside, for memory mostly: this tomogram is lost, the device gets a new process.
                    pools[slot].shutdown(wait=False)
                    pools[slot] = specification.pool(devices[slot])
                    prediction = failed(experiment, f"its process on {devices[slot]} was killed")
                idle.append(slot)
                yield prediction
    finally:
        for pool in pools.values():
            pool.shutdown(wait=True, cancel_futures=True)


def _stored_or_failed(inference: Inference, experiment: str, accept_poorer: bool) -> Prediction:
    """Return what an earlier run has made of a tomogram for which no time is left."""
    resumed = accept_poorer and inference.store.begun(experiment)
    found = inference.stored(experiment) if resumed else {}
    return Prediction(experiment, found) if found else failed(experiment, OUT_OF_TIME)


@dataclass(frozen=True)
class Specification:
    """What a process needs to set up its own `Inference`; plain and small, since it is sent to it."""

    run: Path
    data: Mapping[str, Any]
    store: Path
    members: tuple[str, ...]
    final: str
    registry: Mapping[str, str]

    def pool(self, device: str) -> ProcessPoolExecutor:
        """Return a pool of one process for a device; it starts afresh, since CUDA does not survive a fork."""
        return ProcessPoolExecutor(1, get_context("spawn"), initializer=_set_up, initargs=(self, device))


_inference: Inference | None = None
"""This process's own, where it is a worker."""


def _set_up(specification: Specification, device: str) -> None:
    global _inference
    registry.MEMBERS.update(specification.registry)
    run, dataset = open_run(specification.run), open_recorded(specification.data)
    store = Store(specification.store)
    _inference = Inference(run, dataset, store, specification.members, device, specification.final)


def _predict_one(experiment: str, plan: Plan, accept_poorer: bool) -> Prediction:
    assert _inference is not None
    return _inference.predict(experiment, plan, accept_poorer=accept_poorer)
