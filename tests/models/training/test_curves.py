import pandas as pd
import pytest

from models.training.curves import write_history

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("rows", [[], [{"step": 2, "loss": 1.5}, {"step": 4, "loss": 1.25, "dice": 0.5}]])
def test_history_and_pictures(tmp_path, rows):
    write_history(tmp_path, rows, loss=("loss",), metric=("dice",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "loss.png", "metric.png"]
    assert (tmp_path / "loss.png").read_bytes().startswith(PNG)
    assert (tmp_path / "metric.png").read_bytes().startswith(PNG)
    history = pd.read_csv(tmp_path / "history.csv")
    assert len(history) == len(rows)
    assert history.columns[0] == "step"


def test_what_was_not_measured_is_empty(tmp_path):
    write_history(tmp_path, [{"step": 2, "loss": 1.5}, {"step": 4, "dice": 0.5}], loss=("loss",), metric=("dice",))
    assert (tmp_path / "history.csv").read_text() == "step,loss,dice\n2,1.5,\n4,,0.5\n"
