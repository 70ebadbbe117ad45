"""Prediction on a device that fails; in a module of its own, since processes must import it fast."""

from dataclasses import dataclass

from submissions.prediction.inference import Prediction
from tests.compute.faulty import FailsForGood


@dataclass(frozen=True)
class FailingPrediction(FailsForGood):
    """Predicts nothing of a tomogram; see `FailsForGood`."""

    def result(self, task):
        return Prediction(task[0], {})
