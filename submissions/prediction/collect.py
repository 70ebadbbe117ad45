"""Tomogram by tomogram: predicted, fused, written, and forgotten, so that five hundred need no more memory than one.

The submission is written after the first tomogram, then once a minute and at the end, as a whole and atomically: it is
valid at any moment.
"""

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from postproc.candidates import empty_candidates
from submissions.export.submission import clip, write_submission
from submissions.prediction.budget import Budget, Plan
from submissions.prediction.fusion import Fusion
from submissions.prediction.inference import Failure, Inference, Prediction, in_a_line
from submissions.prediction.workers import predict_all
from tomograms.console import Progress

EVERY = 60.0
"""Seconds between two writings of the submission: it holds all tomograms, and thousands would be written each time."""


@dataclass
class Collected:
    """What came out of all tomograms.

    Attributes
    ----------
    picks
        By experiment that some member predicted: the rows of the submission, with scores.
    failures
        Everything that did not work.
    fused
        All fused candidates, before thresholds, of the tomograms that are to be judged.
    """

    picks: dict[str, pd.DataFrame] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    fused: dict[str, pd.DataFrame] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """Return all picks in the candidates' total order."""
        filled = [self.picks[name] for name in sorted(self.picks) if len(self.picks[name])]
        return pd.concat(filled, ignore_index=True) if filled else empty_candidates()


def collect(
    inference: Inference,
    fusion: Fusion,
    names: Sequence[str],
    *,
    budget: Budget,
    devices: Sequence[str],
    path: Path,
    judged: Collection[str],
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Collected:
    """Predict every tomogram and write the submission.

    Parameters
    ----------
    inference, budget, devices
        See `submissions.prediction.workers.predict_all`.
    fusion
        The last step.
    names
        The tomograms.
    path
        The submission.
    judged
        Tomograms whose truth is known: their fused candidates are kept.
    say
        Takes a line for the log.
    clock
        Seconds.

    Raises
    ------
    InputError
        If a member's models cannot be loaded.
    """
    collected = Collected()
    if not path.exists():
        write_submission(path, empty_candidates())
    written = -math.inf  # so that the first tomogram is written at once
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
                say(f"{prediction.experiment} is unlike the tomograms of the run: {prediction.remark}")
            for failure in failures:
                say(f"failed: {failure}")
            collected.failures += failures
            if clock() - written >= EVERY:
                write_submission(path, collected.table())
                written = clock()
            begun += 1
            task.update(begun)
        write_submission(path, collected.table())
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
        kept = clip(fusion.keep(fused), inference.dataset.extents([name]))
        if name in judged:
            collected.fused[name] = fused
    except Exception as error:  # one tomogram's odd candidates are no reason to lose the others
        return [Failure(name, "", f"its candidates cannot be fused: {in_a_line(error)}")]
    collected.picks[name] = kept
    return []
