"""Command line options that say where jobs run."""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from tomograms.errors import InputError
from tomograms.options import Several

KINDS = ("local", "slurm", "debug")
NO_SUBMITIT = "--on: expected the package submitit; install it: pip install 'cryoet-picks[cluster]'"


@dataclass(frozen=True)
class Cluster:
    """Where jobs run.

    Attributes
    ----------
    on
        One of `KINDS`: processes of this machine, SLURM, or this process, one job after the other.
    jobs
        How many at a time.
    slurm
        Options of ``sbatch``; of them ``time``, in minutes, also holds on this machine.
    """

    on: str
    jobs: int
    slurm: Mapping[str, int | str]


def add_cluster(options: argparse.ArgumentParser, unit: str) -> None:
    """Add ``--on``, ``--jobs`` and ``--slurm``; ``unit`` says in words what one job does."""
    options.add_argument(
        "--on",
        choices=KINDS,
        help=f"{unit} is a job of its own: a process of this machine, a job of SLURM, or (debug) one after the other "
        "in this process; needs the extra cryoet-picks[cluster]",
    )
    options.add_argument("--jobs", type=int, metavar="N", help="with --on: N jobs at a time (default: 4)")
    options.add_argument(
        "--slurm",
        nargs="+",
        action=Several,
        metavar="KEY=VALUE",
        help="options of sbatch, e.g. partition=gpu gres=gpu:1 time=240 (minutes); time also limits jobs of --on local",
    )


def parse_cluster(arguments: argparse.Namespace) -> Cluster | None:
    """Return where jobs run; ``None`` where they are not to leave this command.

    Raises
    ------
    InputError
        If an option has another form, makes no sense without another, or needs what this machine does not have.
    """
    for name in ("jobs", "slurm"):
        if arguments.on is None and getattr(arguments, name) is not None:
            raise InputError(f"--{name}: expected together with --on, which says where jobs run")
    if arguments.on is None:
        return None
    jobs = 4 if arguments.jobs is None else arguments.jobs
    if jobs < 1:
        raise InputError(f"--jobs: expected at least 1, but got {jobs}")
    slurm = _parse(arguments.slurm or ())
    if arguments.on == "slurm" and "time" not in slurm:
        raise InputError("--slurm: expected time=MINUTES, the limit of each job, but got none")
    if find_spec("submitit") is None:
        raise InputError(NO_SUBMITIT)
    if arguments.on == "slurm" and shutil.which("srun") is None:
        raise InputError("--on slurm: expected SLURM's commands (sbatch, srun) on this machine, but found none")
    return Cluster(arguments.on, jobs, slurm)


def _parse(texts: Sequence[str]) -> dict[str, int | str]:
    found: dict[str, int | str] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        name = key.lstrip("-").replace("-", "_")
        if not name.isidentifier() or not sign or not value or name in found:
            raise InputError(f"--slurm: expected KEY=VALUE, each key once, but got {text!r}")
        found[name] = int(value) if value.isdecimal() else value
    limit = found.get("time", 1)
    if not isinstance(limit, int) or limit < 1:
        raise InputError(f"--slurm: expected time in whole minutes, but got {limit!r}")
    return found
