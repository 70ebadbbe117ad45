"""Test candidates on disk: ``runs/NAME/test/EXPERIMENT/MEMBER.parquet``, with a key of what they were made from.

A prediction that is there with the right key is not computed again; with another key it counts as absent.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from postproc.candidates import read_candidates, write_candidates
from tomograms.errors import InputError
from tomograms.files import read_json, sha256, write_json


@dataclass(frozen=True)
class Stored:
    """A prediction that was kept.

    Attributes
    ----------
    candidates
        See `submissions.prediction.averaging.predict_member`.
    views, full
        How many test-time views were averaged, of how many.
    seconds
        What the prediction took.
    remark
        What sets the tomogram apart from those that the run was trained on, in words.
    volume
        Hash of the tomogram that was predicted; known where it was read back.
    """

    candidates: pd.DataFrame
    views: int
    full: int
    seconds: float
    remark: str = ""
    volume: str = ""


@dataclass(frozen=True)
class Store:
    """The test candidates of one run (``path`` is ``runs/NAME/test``)."""

    path: Path

    def read(self, experiment: str, member: str, key: Mapping[str, Any]) -> Stored | None:
        """Return a member's prediction of a tomogram, or ``None`` if there is none that was made from ``key``."""
        return self._read(experiment, member, lambda found: found == key)

    def latest(self, experiment: str, member: str) -> Stored | None:
        """Return a member's prediction of a tomogram as it lies there, whatever it was made from, or ``None``."""
        return self._read(experiment, member, lambda found: True)

    def experiments(self) -> list[str]:
        """Return the sorted names of the tomograms of which something is kept."""
        return sorted({path.parent.name for path in self.path.glob("*/*.json")})

    def write_failures(self, failures: Iterable[Mapping[str, str]]) -> None:
        """Keep what did not work, in place of what did not work before."""
        write_json(self.path / "failures.json", [dict(failure) for failure in failures])

    def failures(self) -> list[dict[str, str]]:
        """Return what did not work when tomograms were predicted the last time."""
        path = self.path / "failures.json"
        return read_json(path) if path.exists() else []

    def _read(self, experiment: str, member: str, wanted: Callable[[Any], bool]) -> Stored | None:
        table, card = self._files(experiment, member)
        try:
            record = read_json(card)
            if not wanted(record["key"]):
                return None
            figures = (record["views"], record["full"], record["seconds"], record.get("remark", ""))
            return Stored(read_candidates(table), *figures, volume=record["key"]["volume"])
        except (InputError, KeyError, TypeError):
            return None

    def write(self, experiment: str, member: str, key: Mapping[str, Any], stored: Stored) -> None:
        """Keep a member's prediction of a tomogram; what it was made from is written last and removed first."""
        table, card = self._files(experiment, member)
        card.unlink(missing_ok=True)
        write_candidates(table, stored.candidates)
        record = {name: getattr(stored, name) for name in ("views", "full", "seconds", "remark")}
        write_json(card, {"key": dict(key), **record})

    def _files(self, experiment: str, member: str) -> tuple[Path, Path]:
        folder = self.path / experiment
        return folder / f"{member}.parquet", folder / f"{member}.json"


def weights_key(folders: Mapping[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of each model's weights, by name; see `submissions.prediction.final.model_folders`.

    Raises
    ------
    InputError
        If a training has left no weights.
    """
    key = {}
    for name, folder in folders.items():
        path = folder / "weights.safetensors"
        if not path.exists():
            raise InputError(
                f"{path}: no such file; the cross-validation has not finished: python -m evaluation.cv goes on with it"
            )
        key[name] = sha256(path)
    return key


def prediction_key(volume: str, weights: Mapping[str, str]) -> dict[str, Any]:
    """Return what a prediction depends on: a volume's bytes, the weights and the code; picks play no part."""
    return {"volume": volume, "weights": dict(weights), "code": code_version()}


@cache
def code_version() -> str:
    """Return a hash of the code that makes candidates of a tomogram: what it made is made again once it changes."""
    root = Path(__file__).resolve().parents[2]
    files = [file for package in ("models", "postproc") for file in (root / package).rglob("*.py")]
    files += [root / "ensemble" / "clustering.py", root / "submissions" / "prediction" / "averaging.py"]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(root)} {sha256(file)}\n".encode())
    return digest.hexdigest()[:16]
