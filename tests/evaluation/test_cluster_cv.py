"""Trainings as jobs of their own: what they leave is what one process leaves."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from submitit.core import submission
from submitit.slurm import slurm
from submitit.slurm.test_slurm import mocked_slurm

from compute.lock import held
from evaluation.cv import main
from evaluation.run_directory import open_run
from evaluation.runs import main as show
from tests.evaluation.test_cv import NAMES, cv, data  # noqa: F401
from tests.evaluation.toy_member import ToyMember
from tomograms.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def same(data, one, other):  # noqa: F811
    runs = data.parent / "runs"
    return (runs / one / "cv.json").read_bytes() == (runs / other / "cv.json").read_bytes()


def test_debug_and_local_give_what_one_process_gives(data, capsys):  # noqa: F811
    assert cv("--run", "whole") == 0
    assert cv("--run", "debug", "--on", "debug") == 0 and same(data, "whole", "debug")
    assert len(ToyMember.fits) == 2 * len(NAMES)
    assert cv("--run", "local", "--on", "local", "--jobs", "4") == 0 and same(data, "whole", "local")
    assert len(ToyMember.fits) == 2 * len(NAMES)  # those were done elsewhere
    capsys.readouterr()
    assert show(["local", "--jobs"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name}/toy-8620" in out for name in NAMES) and out.count("done") == len(NAMES)
    assert not list((data.parent / "runs/local").rglob(".lock"))


def test_a_job_that_is_killed_is_missing_and_the_same_command_does_it(data, capsys, monkeypatch):  # noqa: F811
    assert cv("--run", "whole") == 0
    monkeypatch.setenv("TOY_IS_KILLED_AT", "TS_2/toy-8620")
    assert cv("--on", "local", "--jobs", "3") == 3
    out = capsys.readouterr().out
    assert "not finished: TS_2/toy-8620: its process ended without a word" in out and "missing: TS_2/toy-8620;" in out
    run = open_run(data.parent / "runs/a")
    assert [path.parent.name for path in run.jobs("toy") if (path / "candidates.parquet").exists()] == ["TS_1", "TS_3"]
    assert show(["a", "--jobs"]) == 0 and "ended" in capsys.readouterr().out
    monkeypatch.delenv("TOY_IS_KILLED_AT")
    assert main(["--run", "a", "--on", "debug", "--device", "cpu"]) == 0
    assert [fit for fit in ToyMember.fits if fit.startswith("TS_2")] == ["TS_2/toy-8620"] * 2  # whole, and now
    assert same(data, "whole", "a")


def test_a_job_that_fails_says_why(data, capsys, monkeypatch):  # noqa: F811
    def fit(self, training, advance):
        raise InputError("no such luck") if training.directory.parent.name == "TS_3" else RuntimeError("broken")

    monkeypatch.setattr(ToyMember, "fit", fit)
    assert cv("--on", "debug") == 3
    out = capsys.readouterr().out
    assert "not finished: TS_3/toy-8620: no such luck" in out and "TS_1/toy-8620: RuntimeError: broken" in out
    assert "missing: TS_1/toy-8620, TS_2/toy-8620, TS_3/toy-8620" in out
    show(["a", "--jobs"])
    assert "no such luck" in capsys.readouterr().out


@contextmanager
def jobs_are_done(monkeypatch):
    """Let SLURM do each job as soon as it is submitted, in this process."""
    with mocked_slurm() as mock:
        submit = slurm.SlurmExecutor._internal_process_submissions

        def submit_and_do(self, delayed):
            jobs = submit(self, delayed)
            for job in jobs:
                with mock.job_context(job.job_id):
                    submission.process_job(job.paths.folder)
            return jobs

        monkeypatch.setattr(slurm.SlurmExecutor, "_internal_process_submissions", submit_and_do)
        yield


def test_slurm_gets_an_array_with_the_options(data, monkeypatch):  # noqa: F811
    assert cv("--run", "whole") == 0
    options = ["partition=gpu", "gres=gpu:1", "time=240", "setup=module load cuda", "reservation=cryo"]
    with jobs_are_done(monkeypatch):
        assert cv("--on", "slurm", "--jobs", "2", "--slurm", *options) == 0
    assert same(data, "whole", "a")
    jobs = data.parent / "runs/a/jobs"
    (text,) = [path.read_text() for path in jobs.rglob("*_submission.sh")]
    lines = {line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")}
    assert {"partition=gpu", "gres=gpu:1", "time=240", "reservation=cryo", "job-name=cv-a", "array=0-2%2"} <= lines
    assert "signal=USR2@90" in lines  # before the time limit: the job is queued again and goes on
    assert text.index("module load cuda") < text.index("srun")
    assert not list(jobs.rglob(".lock"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs", "2"], "--jobs: expected together with --on"),
        (["--slurm", "time=3"], "--slurm: expected together with --on"),
        (["--on", "debug", "--jobs", "0"], "--jobs: expected at least 1, but got 0"),
        (["--on", "slurm"], "--slurm: expected time=MINUTES"),
        (["--on", "slurm", "--slurm", "time=4:00:00"], "expected time in whole minutes, but got '4:00:00'"),
        (["--on", "slurm", "--slurm", "time"], "expected KEY=VALUE, each key once, but got 'time'"),
        (["--on", "slurm", "--slurm", "time=1", "time=2"], "each key once, but got 'time=2'"),
        (["--on", "debug", "--device", "cpu", "cpu"], "--device: expected one"),
    ],
)
def test_what_makes_no_sense_is_refused(data, arguments, message):  # noqa: F811
    with pytest.raises(InputError, match=message):
        cv(*arguments)


def test_without_slurm_or_submitit(data, monkeypatch):  # noqa: F811
    with pytest.raises(InputError, match=r"--on slurm: expected SLURM's commands"):
        cv("--on", "slurm", "--slurm", "time=1")
    assert not (data.parent / "runs").exists()  # nothing was begun
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match=r"install it: pip install 'cryoet-picks\[cluster\]'"):
        cv("--on", "local")


def test_jobs_work_beside_the_process_that_holds_the_run(data):  # noqa: F811
    """That process may be one that only waits for them; a second one of its kind is refused."""
    assert cv("--run", "whole") == 0 and cv("--on", "debug") == 0
    run = open_run(data.parent / "runs/a")
    (run.jobs("toy")[0] / "candidates.parquet").unlink()
    code = (
        "from pathlib import Path; from evaluation.cluster_trainings import train_one; "
        f"from tests.evaluation.toy_member import TOY; train_one(Path({str(run.path)!r}), 'TS_1/toy-8620', "
        "device='cpu', members=TOY)"
    )
    with held(run.path):
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        with pytest.raises(InputError, match="expected to work here alone"):
            held(run.path).__enter__()
    assert cv("--on", "debug") == 0 and same(data, "whole", "a")
