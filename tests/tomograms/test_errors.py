import errno
import io
import os
import shlex
import subprocess
import sys

import pytest

from tomograms.errors import InputError, run_command


def exit_code(main, argv=None):
    with pytest.raises(SystemExit) as caught:
        run_command(main, argv)
    return caught.value.code


def raising(error):
    def main(argv=None):
        raise error

    return main


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3)])
def test_exit_code_is_what_main_returns(returned, code):
    assert exit_code(lambda argv=None: returned) == code


def test_arguments_are_passed_on():
    seen = []
    assert exit_code(lambda argv=None: seen.append(argv), ["--run", "a"]) == 0
    assert seen == [["--run", "a"]]


def test_an_input_error_is_one_line_on_standard_error_and_code_2(capsys):
    assert exit_code(raising(InputError("a.json: expected\n  JSON, but got b"))) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "error: a.json: expected JSON, but got b\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.ENOTDIR])
def test_a_disk_that_takes_no_more_is_the_users_to_know(capsys, number):
    assert exit_code(raising(OSError(number, "reason", "runs/a/cv.json"))) == 2
    assert capsys.readouterr().err == "error: cannot read or write runs/a/cv.json: reason; what was finished is kept\n"


@pytest.mark.parametrize("error", [ValueError("ours"), OSError(errno.EIO, "ours"), KeyError("ours")])
def test_a_mistake_of_ours_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        run_command(raising(error))


def test_interrupted():
    assert exit_code(raising(KeyboardInterrupt())) == 130


def test_ascii_output_and_a_notebooks_backend(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    assert exit_code(raising(InputError("expected 10 Å"))) == 2
    sys.stderr.flush()
    assert raw.getvalue() == b"error: expected 10 ?\n"
    assert os.environ["MPLBACKEND"] == "agg"


@pytest.mark.parametrize(("said", "taken"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_that_wait_give_up_their_core_unless_the_user_says_otherwise(said, taken, monkeypatch):
    monkeypatch.setattr(os, "environ", {} if said is None else {"OMP_WAIT_POLICY": said})
    assert exit_code(lambda _: int(os.environ["OMP_WAIT_POLICY"] != taken)) == 0


@pytest.mark.parametrize("say", ["print('x' * 10**6)", "[console().print('x' * 99) for _ in range(9999)]"])
def test_a_closed_output_is_no_error(say):
    code = (
        f"from tomograms.errors import run_command\nfrom tomograms.console import console\nrun_command(lambda _: {say})"
    )
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (141, "x", "")


@pytest.mark.parametrize(("closed", "code"), [(">&-", 2), ("2>&-", 2), (">&- 2>&-", 2)])
def test_outputs_may_be_closed_from_the_start(tmp_path, closed, code):
    script = (
        "from tomograms.console import console\nfrom tomograms.errors import InputError, run_command\n"
        "def main(argv):\n"
        "    console().print('x')\n"
        f"    open({str(tmp_path / 'a')!r}, 'w').write('own')\n"
        "    print('y', flush=True)\n"
        "    raise InputError('z')\n"
        "run_command(main)"
    )
    done = subprocess.run(["bash", "-c", f"{shlex.quote(sys.executable)} -c {shlex.quote(script)} {closed}"])
    assert done.returncode == code
    assert (tmp_path / "a").read_text() == "own"
