"""Test candidates on disk: ``runs/NAME/test/EXPERIMENT/MEMBER.parquet``, with a key of what they were made from.

A prediction that is there with the right key is not computed again; with another key it counts as absent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from evaluation.run_directory import RunDirectory
from postproc.candidates import read_candidates, write_candidates
from tomograms.dataset import Dataset
from tomograms.errors import InputError
from tomograms.files import read_json, write_json
from tomograms.ome_zarr import fingerprint


@dataclass(frozen=True)
class Store:
    """The test candidates of one run (``path`` is ``runs/NAME/test``)."""

    path: Path

    def read(self, experiment: str, member: str, key: Mapping[str, Any]) -> pd.DataFrame | None:
        """Return a member's candidates in a tomogram, or ``None`` if there are none that were made from ``key``."""
        table, card = self._files(experiment, member)
        try:
            return read_candidates(table) if read_json(card) == key else None
        except InputError:
            return None

    def write(self, experiment: str, member: str, key: Mapping[str, Any], candidates: pd.DataFrame) -> None:
        """Keep a member's candidates in a tomogram; the key is written last and removed first."""
        table, card = self._files(experiment, member)
        card.unlink(missing_ok=True)
        write_candidates(table, candidates)
        write_json(card, key)

    def _files(self, experiment: str, member: str) -> tuple[Path, Path]:
        folder = self.path / experiment
        return folder / f"{member}.parquet", folder / f"{member}.json"


def weights_key(run: RunDirectory, member: str) -> dict[str, str]:
    """Return the SHA-256 of each of the member's weights, by folder.

    Raises
    ------
    InputError
        If a training has left no weights.
    """
    key = {}
    for job in run.jobs(member):
        path = job / "weights.safetensors"
        if not path.exists():
            raise InputError(
                f"{path}: no such file; the cross-validation has not finished: "
                f"python -m evaluation.cv --run {run.name} goes on with it"
            )
        with path.open("rb") as file:
            key[f"{job.parent.name}/{job.name}"] = hashlib.file_digest(file, "sha256").hexdigest()
    return key


def prediction_key(dataset: Dataset, experiment: str, weights: Mapping[str, str]) -> dict[str, Any]:
    """Return what a prediction depends on: the volume's bytes and the weights; picks play no part."""
    return {"volume": fingerprint(dataset.source.volume(experiment)), "weights": dict(weights)}
