"""A dress rehearsal of the bundle: its notebook, in a fresh environment, without network.

The fresh environment plays Kaggle's image. It sees what is installed here, except this project and what the bundle
brings along; those the notebook has to install itself.
"""

import json
import os
import subprocess
import venv
from collections.abc import Collection
from importlib import metadata
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


def make_environment(folder: Path, *, without: Collection[str]) -> Path:
    """Make a fresh environment and return its Python.

    Parameters
    ----------
    folder
        Where; must not exist.
    without
        Canonical names of distributions that are installed here and that it must not see. This project is never seen.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(_output(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    hidden = {PROJECT, *without}
    for distribution in metadata.distributions():
        if canonicalize_name(distribution.metadata["Name"]) in hidden:
            continue
        for top in _tops(distribution):
            link = site / top.name
            if top.exists() and not link.exists():
                link.symlink_to(top)
    write_text(site / "sitecustomize.py", NO_NETWORK)
    return python


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


def _tops(distribution: metadata.Distribution) -> set[Path]:
    """Return the files and folders right in site-packages that belong to a distribution."""
    tops = set()
    for file in distribution.files or ():
        if file.parts and file.parts[0] not in ("..", "__pycache__") and file.parts[0] != "sitecustomize.py":
            tops.add(Path(str(distribution.locate_file(file.parts[0]))))
    return tops


def _clean_environment() -> dict[str, str]:
    """Return this process's environment without what points Python elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "PIP_"))}


def _output(python: Path, code: str) -> str:
    return subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout.strip()
