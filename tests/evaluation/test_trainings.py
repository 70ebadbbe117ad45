"""Trainings spread over processes; the data, the folds and the toy member are those of `test_cv`."""

import os

import pytest

from tests.evaluation.test_cv import NAMES, cv, data  # noqa: F401
from tests.evaluation.toy_member import ToyMember
from tomograms.errors import InputError


def test_two_processes_give_what_one_gives_and_leave_the_environment_alone(data, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert cv("--run", "one") == 0
    ToyMember.fits.clear()
    assert cv("--run", "two", "--device", "cpu", "cpu") == 0
    assert ToyMember.fits == []  # the work was done elsewhere
    assert os.environ["OMP_NUM_THREADS"] == "7"
    runs = data.parent / "runs"
    assert (runs / "one/cv.json").read_bytes() == (runs / "two/cv.json").read_bytes()
    out = capsys.readouterr().out
    assert all(f"{name} toy seed 8620: done" in out for name in NAMES)
    assert cv("--run", "two", "--device", "cpu", "cpu") == 0  # nothing left to do: no process is started


def test_a_killed_training_ends_the_command_in_one_line_and_the_next_goes_on(data, monkeypatch):  # noqa: F811
    victim = f"{NAMES[1]}/toy-8620"
    monkeypatch.setenv("TOY_IS_KILLED_AT", victim)
    with pytest.raises(InputError, match=rf"{victim}: its training ended \(its process was killed \(cpu\)\)"):
        cv("--device", "cpu", "cpu")
    monkeypatch.delenv("TOY_IS_KILLED_AT")
    assert cv("--device", "cpu", "cpu") == 0


def test_a_users_mistake_comes_back_from_a_process(data):  # noqa: F811
    with pytest.raises(InputError, match="--device: expected auto, cpu or cuda"):
        cv("--device", "cpu", "nonsense")


def test_a_damaged_tomogram_is_named_from_a_process(data):  # noqa: F811
    chunk = next(path for path in sorted(data.rglob("denoised.zarr/0/*/*/*")) if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:30])
    with pytest.raises(InputError, match=r"denoised\.zarr.*expected an intact chunk"):
        cv("--device", "cpu", "cpu")
