"""When the submission is written while tomograms are predicted."""

from itertools import pairwise
from tempfile import TemporaryFile

from submissions.export.spool import Spool
from submissions.prediction import collect as collecting
from submissions.prediction.budget import Budget, ladder
from submissions.prediction.inference import Inference, Prediction
from submissions.prediction.store import Store

MEMBERS = ("boxes", "maps")
COUNT = 3000


def test_at_most_once_a_minute_and_ever_more_seldom(project, monkeypatch, tmp_path):
    now, done, written = [0.0], [0], []

    def predict_all(inference, names, **options):
        for name in names:
            now[0] += 7.0
            done[0] += 1
            yield Prediction(name, {})

    monkeypatch.setattr(collecting, "predict_all", predict_all)
    monkeypatch.setattr(collecting, "write_submission", lambda path, tables: written.append((now[0], done[0])))
    names = [f"T_{number}" for number in range(COUNT)]
    with TemporaryFile() as file:
        collecting.collect(
            Inference(project.run, project.dataset, Store(tmp_path), MEMBERS, "cpu"),
            names,
            thresholds={},
            judge=False,
            budget=Budget(None, ladder(MEMBERS), COUNT, 1, lambda: 0.0),
            devices=["cpu"],
            spool=Spool(file, project.run.particles),
            path=tmp_path / "submission.csv",
            say=print,
            clock=lambda: now[0],
        )
    assert written[:2] == [(0.0, 0), (7.0, 1)] and written[-1] == (7.0 * COUNT, COUNT)
    seconds = [later[0] - earlier[0] for earlier, later in pairwise(written[1:-1])]
    assert min(seconds) >= 60 and seconds[0] < 70  # in the beginning each minute
    assert sum(tomograms for _, tomograms in written) < 23 * COUNT  # together linear in their number
    assert len(written) < 100  # and not once in each of the 350 minutes
