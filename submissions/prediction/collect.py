"""Tomogram by tomogram: predicted, fused, kept on the disk, and forgotten, so that many need no more memory than one.

The submission is written after the first tomogram, then at most once a minute and at the end, as a whole and
atomically: it is valid at any moment.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from evaluation.inspection import brought
from submissions.export.spool import Spool
from submissions.export.submission import Extent, clip, write_submission
from submissions.inputs import trained_on
from submissions.prediction.budget import Budget, Plan
from submissions.prediction.final import SHIPPED
from submissions.prediction.fusion import Fusion, fusion_on
from submissions.prediction.inference import Failure, Inference, Prediction, in_a_line
from submissions.prediction.workers import predict_all
from tomograms.console import Progress

EVERY = 60.0
"""Seconds between two writings of the submission, at least."""
GROWTH = 1.05
"""So many times the tomograms of the last writing are there at the next: all writings together are linear in them."""


@dataclass
class Collected:
    """What came out of all tomograms.

    Attributes
    ----------
    picks
        The rows of the submission, with scores, of each tomogram that some member predicted.
    extents
        Of these tomograms.
    failures
        Everything that did not work.
    judged
        Tomograms whose truth is known and was not seen by any model.
    fused
        All fused candidates of these, before thresholds.
    """

    picks: Spool
    extents: dict[str, Extent] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    fused: dict[str, pd.DataFrame] = field(default_factory=dict)


def collect(
    inference: Inference,
    names: Sequence[str],
    *,
    thresholds: Mapping[str, float],
    judge: bool,
    budget: Budget,
    devices: Sequence[str],
    spool: Spool,
    path: Path | None,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Collected:
    """Predict every tomogram and write the submission.

    Parameters
    ----------
    inference, budget, devices
        See `submissions.prediction.workers.predict_all`.
    names
        The tomograms.
    thresholds
        See `submissions.prediction.fusion.Fusion`.
    judge
        Whether fused candidates are kept of the tomograms whose truth is known.
    spool
        Where picks are kept; empty.
    path
        The submission; ``None`` writes none.
    say
        Takes a line for the log.
    clock
        Seconds.

    Raises
    ------
    InputError
        If a member's models cannot be loaded, or the ensemble or an added member's file is damaged.
    """
    run, dataset = inference.run, inference.dataset
    fusion = fusion_on(dataset, run, names, thresholds)
    for line in brought(dataset, names, "the weights" if inference.final == SHIPPED else "the run"):
        say(line)
    collected = Collected(spool)
    if judge:
        seen = set(trained_on(run, names))
        collected.judged = [name for name in names if name not in seen and dataset.has_picks(name)]
    judged = frozenset(collected.judged)
    if path is not None and not path.exists():
        write_submission(path, ())
    written, last = -math.inf, 0.0  # so that the first tomogram is written at once
    with Progress() as progress:
        task = progress.task("test tomograms", total=len(names))
        begun = 0

        def advance(note: str) -> None:
            task.update(begun, note=note)

        def changed(experiment: str, plan: Plan) -> None:
            say(f"time budget: from {experiment} on, dropped: {plan.describe(budget.plans[0].members)}")

        for prediction in predict_all(
            inference, names, budget=budget, devices=devices, advance=advance, changed=changed, say=say
        ):
            failures = [*prediction.failures, *_add(collected, prediction, inference, fusion, judged)]
            if prediction.remark:
                name, remark = prediction.experiment, prediction.remark
                say(f"{name} is unlike the tomograms that scores were calibrated on: {remark}")
            for failure in failures:
                say(f"failed: {failure}")
            collected.failures += failures
            begun += 1
            if path is not None and clock() - written >= EVERY and begun >= GROWTH * last:
                write_submission(path, spool.tables())
                written, last = clock(), begun
            task.update(begun)
        if path is not None:
            write_submission(path, spool.tables())
        task.finish()
    return collected


def _add(
    collected: Collected, prediction: Prediction, inference: Inference, fusion: Fusion, judged: Collection[str]
) -> list[Failure]:
    """Fuse one tomogram's candidates into what is collected; return what did not work."""
    name = prediction.experiment
    if inference.members and not prediction.members:  # without any of its own, a run submits its added members
        return []
    try:
        fused = fusion.fused(prediction)
        extents = inference.dataset.extents([name])
        kept = clip(fusion.keep(fused), extents)
    except Exception as error:  # one tomogram's odd candidates are no reason to lose the others
        return [Failure(name, "", f"its candidates cannot be fused: {in_a_line(error)}")]
    if name in judged:
        collected.fused[name] = fused
    collected.picks.add(name, kept)
    collected.extents |= extents
    return []
