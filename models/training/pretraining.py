"""The loop of a pre-training: a pool of tomograms that is renewed while the network learns from it."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.member import Advance, Learner
from models.training.curves import write_history
from tomograms.files import write_json
from tomograms.tomogram import Tomogram

Example = tuple[Tomogram, pd.DataFrame]
Source = Callable[[int], Iterator[Example]]
"""Gives the tomograms from an index on, without end: normalised, each with its truth."""


@dataclass(frozen=True)
class Plan:
    """How long, and how fast the pool is renewed.

    Attributes
    ----------
    steps
        Optimiser steps; 0 where ``minutes`` limits the training.
    minutes
        Of training, simulation included and validation not; 0 where ``steps`` does.
    pool
        Tomograms that examples are drawn from.
    renew
        Steps after which the oldest of them is replaced by a new one.
    look
        Steps between two validations, and checkpoints.
    """

    steps: int
    minutes: float
    pool: int = 12
    renew: int = 10
    look: int = 250

    def done(self, step: int, seconds: float) -> float:
        """Return the share of the training that is done, at most 1."""
        return min(1.0, step / self.steps if self.steps else seconds / (60 * self.minutes))


def pretrain(
    learner: Learner,
    source: Source,
    validation: Sequence[Example],
    plan: Plan,
    *,
    seed: int,
    directory: Path,
    card: Mapping[str, Any],
    advance: Advance,
) -> None:
    """Train, and leave ``weights.safetensors``, ``card.json``, ``history.csv`` and pictures in ``directory``.

    A training that was cut off goes on from its last checkpoint. With ``steps``, the weights depend on the arguments
    only; with ``minutes``, on the machine's speed too.

    Parameters
    ----------
    learner
        The member's network.
    source
        Where tomograms come from.
    validation
        Tomograms that the source never gives.
    seed
        Of what is drawn from the pool.
    card
        What is known about the training beforehand; steps, seconds and scores are added.
    advance
        Told of progress: per mille where ``minutes`` limits the training.
    """
    checkpoint = directory / "checkpoint.pt"
    history: list[dict[str, float]] = []
    seconds = 0.0
    if checkpoint.exists():
        progress = learner.restore(checkpoint)
        history, seconds = progress["history"], progress["seconds"]
    unseen = pd.concat([picks for _, picks in validation], ignore_index=True)
    stream = source(learner.step // plan.renew)
    pool: deque[Any] = deque(maxlen=plan.pool)
    losses: list[float] = []
    start = time.perf_counter() - seconds
    for _ in range(plan.pool):
        pool.append(learner.prepare(*next(stream)))
    done = plan.done(learner.step, time.perf_counter() - start)
    while done < 1 or learner.step == 0:
        step = learner.step
        done = plan.done(step + 1, time.perf_counter() - start)
        losses.append(learner.train_step(pool, rng=np.random.default_rng([seed, step]), done=done))
        if learner.step % plan.renew == 0 and done < 1:
            pool.append(learner.prepare(*next(stream)))
        total = plan.steps or 1000
        advance(round(done * total), total, f"step {learner.step}, loss {np.mean(losses[-50:]):.3f}")
        if learner.step % plan.look == 0 or done >= 1:
            pause = time.perf_counter()
            seconds = pause - start
            scores = learner.score([tomogram for tomogram, _ in validation], unseen)
            history.append({"step": learner.step, "loss": float(np.mean(losses)), **scores})
            losses = []
            learner.save(checkpoint, {"history": history, "seconds": seconds})
            start += time.perf_counter() - pause
    write_history(directory, history, loss=["loss"], metric=["score"])
    learner.write(directory / "weights.safetensors")
    measured = {"steps": learner.step, "seconds": round(seconds), "validation": history[-1] if history else {}}
    write_json(directory / "card.json", {**card, **measured})
    checkpoint.unlink(missing_ok=True)
