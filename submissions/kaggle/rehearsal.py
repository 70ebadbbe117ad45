"""A dress rehearsal of the bundle: its notebook, in a fresh environment, without network.

The fresh environment plays Kaggle's image. It sees what is installed for the chosen Python, except this project and
what the bundle brings along; those the notebook has to install itself. What the image has beyond that is installed
first.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from submissions.kaggle.notebook import read_cells
from submissions.kaggle.packages import PROJECT
from tomograms.errors import InputError
from tomograms.files import write_text

NO_NETWORK = '''\
"""Cuts this environment off: only sockets of the machine itself, by file, still connect."""

import socket


def refuse(self, address, *rest):
    raise OSError(f"no network in a rehearsal: {address}")


_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex


def connect(self, address):
    return _connect(self, address) if self.family == getattr(socket, "AF_UNIX", None) else refuse(self, address)


def connect_ex(self, address):
    return _connect_ex(self, address) if self.family == getattr(socket, "AF_UNIX", None) else refuse(self, address)


socket.socket.connect, socket.socket.connect_ex = connect, connect_ex
socket.getaddrinfo = refuse
'''


INSTALLED = """\
import json
from importlib import metadata

def tops(distribution):
    for file in distribution.files or ():
        if file.parts and file.parts[0] not in ("..", "__pycache__", "sitecustomize.py"):
            yield str(distribution.locate_file(file.parts[0]))

print(json.dumps([[d.metadata["Name"], sorted(set(tops(d)))] for d in metadata.distributions()]))
"""
"""Prints every distribution with the files and folders right in site-packages that belong to it."""


def find_python(asked: str) -> Path:
    """Return the interpreter of a version, ``3.12``, from PATH or from pyenv, or the one at a path.

    Raises
    ------
    InputError
        If there is none that runs.
    """
    if not re.fullmatch(r"3\.\d+(\.\d+)?", asked):
        if not _runs(Path(asked)):
            raise InputError(f"--python: expected a version as 3.12, or the path of an interpreter, but got {asked!r}")
        return Path(asked).absolute()
    on_path = shutil.which(f"python{asked}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [Path(on_path)] if on_path else []
    candidates += [folder / "bin" / "python" for name in (asked, f"{asked}.*") for folder in sorted(pyenv.glob(name))]
    for python in candidates:
        if _runs(python):  # pyenv puts names on PATH that run nothing
            return python
    raise InputError(f"--python: expected python{asked} on PATH or in {pyenv}, but there is none that runs")


def _runs(python: Path) -> bool:
    try:
        return not subprocess.run([str(python), "-c", "import venv"], capture_output=True, check=False).returncode
    except OSError:
        return False


def make_environment(
    folder: Path, *, python: Path, without: Collection[str], wanted: Mapping[str, str | None] | None = None
) -> Path:
    """Make a fresh environment and return its Python.

    Parameters
    ----------
    folder
        Where; must not exist.
    python
        The interpreter whose installed distributions it sees.
    without
        Canonical names of distributions that it must not see. This project is never seen.
    wanted
        Names and versions of distributions that it must have; those that are not there are installed from pip's index.

    Raises
    ------
    InputError
        If one of them cannot be installed.
    """
    subprocess.run([str(python), "-m", "venv", "--without-pip", str(folder)], check=True)
    fresh = folder / "bin" / "python"
    site = Path(_output(fresh, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    hidden, seen = {PROJECT, *without}, set()
    for name, tops in json.loads(_output(python, INSTALLED)):
        if canonicalize_name(name) in hidden:
            continue
        seen.add(canonicalize_name(name))
        for top in map(Path, tops):
            link = site / top.name
            if top.exists() and not link.exists():
                link.symlink_to(top)
    missing = {name: version for name, version in (wanted or {}).items() if name not in seen}
    if missing:
        _install(fresh, [name if version is None else f"{name}=={version}" for name, version in missing.items()])
    write_text(site / "sitecustomize.py", NO_NETWORK)
    return fresh


def _install(python: Path, distributions: Sequence[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *distributions]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise InputError(f"--python: expected to install {', '.join(distributions)}, but cannot ({reason})")


def run_notebook(notebook: Path, python: Path, *, inputs: Path, working: Path, log: Path) -> int:
    """Run a notebook's cells one after the other in one process and return its exit code; all output goes to ``log``.

    Parameters
    ----------
    notebook
        The file.
    python
        Of the fresh environment.
    inputs, working
        What stands for ``/kaggle/input`` and ``/kaggle/working``.
    log
        Text file.
    """
    working.mkdir(parents=True, exist_ok=True)
    program = (
        "import json, sys\nfor cell in json.load(sys.stdin):\n    exec(compile(cell, 'cell', 'exec'), globals())\n"
    )
    environment = _clean_environment() | {
        "KAGGLE_INPUT": str(inputs),
        "KAGGLE_WORKING": str(working),
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "HOME": str(working),
        "FORCE_COLOR": "1",  # as a notebook's kernel does
    }
    with log.open("w", encoding="utf-8") as output:
        return subprocess.run(
            [str(python), "-u", "-c", program],
            input=json.dumps(read_cells(notebook)),
            text=True,
            cwd=working,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode


def lay_out(bundle: Path, data: Path, inputs: Path) -> None:
    """Lay the bundle and the data out as Kaggle mounts them.

    Raises
    ------
    InputError
        If the data are no Kaggle tree.
    """
    if not (data / "test" / "static" / "ExperimentRuns").is_dir():
        raise InputError(f"{data}: expected a Kaggle tree with test tomograms to rehearse on, but got none")
    inputs.mkdir(parents=True)
    (inputs / "bundle").symlink_to(bundle.resolve())
    (inputs / "competition").symlink_to(data.resolve())


def _clean_environment() -> dict[str, str]:
    """Return this process's environment without what points Python elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "PIP_"))}


def _output(python: Path, code: str) -> str:
    done = subprocess.run(
        [str(python), "-c", code], check=True, capture_output=True, text=True, env=_clean_environment()
    )
    return done.stdout.strip()
