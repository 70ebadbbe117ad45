"""Room on a disk: known before work starts, and one line where it runs out."""

import errno
import os
import shutil
from collections import namedtuple

import pytest

from evaluation.cv import main
from evaluation.run_directory import open_run
from models.unet.member import UNetMember
from models.yolo.member import YoloMember
from tests.evaluation.test_cv import NAMES, cv, data  # noqa: F401 - a fixture
from tests.evaluation.toy_member import ToyMember
from tomograms.disk import in_words, require_space
from tomograms.errors import InputError, run_command
from tomograms.files import write_text
from tomograms.simulator.tree import main as simulate

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def small(monkeypatch):
    """A disk with 25 MB left."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 25_000_000, 25_000_000))


def test_a_disk_that_is_large_enough_is_left_alone(tmp_path, small):
    require_space(tmp_path / "not" / "there" / "yet", 5_000_000, "a run")
    with pytest.raises(InputError, match=r"yet: expected 25 MB free on the disk for a run, but it has 25 MB"):
        require_space(tmp_path / "not" / "there" / "yet", 5_000_001, "a run")
    assert (in_words(3.24e9), in_words(999e6)) == ("3.2 GB", "999 MB")


def test_a_folder_whose_name_weights_cannot_have_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a folder named in UTF-8 to write a run"):
        require_space(tmp_path / os.fsdecode(b"d\xe9"), 1, "a run")


@pytest.mark.parametrize("kind", ["a file", "not the user's"])
def test_a_place_that_cannot_be_written_into_is_refused(tmp_path, monkeypatch, kind):
    if kind == "a file":
        (tmp_path / "x").write_text("")
    else:
        monkeypatch.setattr("os.access", lambda place, mode: False)
    with pytest.raises(InputError, match=r"runs: expected a place to write a run, but .* cannot be written into"):
        require_space(tmp_path / "x" / "runs", 1, "a run")


def test_a_cross_validation_is_refused_before_anything_is_written(data, small):  # noqa: F811
    with pytest.raises(InputError, match=r"runs/a: expected 28 MB free on the disk for 3 trainings, but it has 25 MB"):
        cv()  # 3 MB of weights, 1 MB while one trains, 3.5 MB of candidates, 20 MB besides
    assert not (data.parent / "runs").exists()


def test_simulated_tomograms_are_refused_before_one_is_made(tmp_path, small):
    with pytest.raises(InputError, match="expected 56 MB free on the disk for simulated tomograms"):
        simulate([str(tmp_path / "s"), "--train", "8", "--test", "1", "--shape", "100", "100", "100"])
    assert not (tmp_path / "s").exists()


def test_members_count_weights_checkpoints_and_slices():
    unet = UNetMember().space(UNetMember().presets["demo"], [(48, 160, 160)])
    assert 3.1e6 < unet.kept < 3.3e6 and unet.passing == 8 * unet.kept  # the shipped weights have 3.16 MB in fp32
    yolo = YoloMember().space(YoloMember().presets["demo"], [(48, 150, 160)] * 2)
    step = YoloMember().presets["demo"].step
    assert yolo.passing == 2 * -(-48 // step) * 3 * 160**2 and 10e6 < yolo.kept < 11e6


def test_a_disk_that_fills_up_is_one_line_and_what_was_finished_is_kept(data, monkeypatch, capsys):  # noqa: F811
    whole = ToyMember.fit

    def fit(self, training, advance):
        if training.directory.parent.name == NAMES[1]:
            write_text(training.directory / "history.csv", "")
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(self, training, advance)

    with monkeypatch.context() as patch:
        patch.setattr(ToyMember, "fit", fit)
        with pytest.raises(SystemExit) as end:
            run_command(lambda _: cv())
    error = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert error == ["error: cannot read or write a file: No space left on device; what was finished is kept"]
    assert [job.name for job in open_run(data.parent / "runs/a").jobs("toy") if (job / "candidates.parquet").exists()]
    ToyMember.fits.clear()
    assert main(["--run", "a", "--device", "cpu"]) == 0
    assert [name.partition("/")[0] for name in ToyMember.fits] == list(NAMES[1:])


def test_a_file_that_does_not_fit_is_named_and_the_old_one_stays(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def full(self, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match="No space") as caught:
        write_text(path, "new")
    assert caught.value.filename == str(path) and path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]
