"""``ensemble.json``: the ensemble, every fold's own, what they scored and on which files; and the replay of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from ensemble.add import added_path, load_added
from ensemble.clustering import average_models
from ensemble.comparison import TUNED, Comparison
from ensemble.ensemble import FILE, Ensemble
from ensemble.tuning import Tuning
from evaluation.counts import count, pool, score
from evaluation.records import result_to_record
from evaluation.run_directory import RunDirectory
from postproc.candidates import concatenate
from tomograms.errors import InputError
from tomograms.files import sha256
from tomograms.versions import commit, versions


def gather(run: RunDirectory, added: Iterable[str]) -> pd.DataFrame:
    """Return the out-of-fold candidates that are fused: seeds averaged within each member, added members as they are.

    Raises
    ------
    InputError
        If a training has not finished, or a file is missing or damaged.
    """
    own = average_models(run.candidates(), run.particles, len(run.seeds))
    return concatenate([own, *(load_added(run, member, run.record.held_out) for member in added)])


def to_record(comparison: Comparison, run: RunDirectory, *, tuning: Tuning, added: Sequence[str]) -> dict[str, Any]:
    """Return the content of ``ensemble.json``."""
    return {
        "simulated": run.record.simulated,
        "ensemble": comparison.rule.to_record(),
        "folds": [
            {"held_out": list(fold.fold.held_out), "ensemble": fold.rule.to_record()}
            for fold in comparison.ensemble.folds
        ],
        "scores": {name: result_to_record(result) for name, result in comparison.results.items()},
        "best_member": comparison.best_member,
        "minus_best_member": {name: asdict(comparison.difference(name)) for name in comparison.results},
        "added": list(added),
        "tuning": {"trials": tuning.trials, "seed": tuning.seed},
        "files": fingerprints(run, added),
        "versions": versions(),
        "commit": commit(),
    }


def fingerprints(run: RunDirectory, added: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of every file that the ensemble was fitted to, by its path inside the run."""
    files = [run.path / "truth.csv"]
    files += [job / "candidates.parquet" for member in run.members for job in run.jobs(member)]
    files += [added_path(run, member) for member in added]
    return {file.relative_to(run.path).as_posix(): sha256(file) for file in files}


def replay(run: RunDirectory, record: Mapping[str, Any]) -> tuple[float, float]:
    """Return the optimum and the nested score, computed again from the content of ``ensemble.json`` and the candidates.

    Raises
    ------
    InputError
        If a file is missing or is not the one that the ensemble was fitted to.
    """
    found = fingerprints(run, record["added"])
    for file, digest in record["files"].items():
        if found.get(file) != digest:
            raise InputError(f"{run.path / file}: expected the file that {FILE} was fitted to, but it has changed")
    truth, candidates = run.truth(), gather(run, record["added"])
    whole = pool(count(truth, Ensemble.from_record(record["ensemble"]).predict(candidates), run.particles))
    parts = []
    for fold in record["folds"]:
        own = truth["experiment"].isin(fold["held_out"]), candidates["experiment"].isin(fold["held_out"])
        kept = Ensemble.from_record(fold["ensemble"]).predict(candidates[own[1]])
        parts.append(pool(count(truth[own[0]], kept, run.particles)))
    return score(whole, run.particles).total, score(pool(parts), run.particles).total


def check_replay(run: RunDirectory, record: Mapping[str, Any]) -> None:
    """Check that the content of ``ensemble.json``, as it will be read back, gives exactly the scores that it tells.

    Raises
    ------
    RuntimeError
        If it does not.
    """
    read = json.loads(json.dumps(record))
    recorded, replayed = read["scores"][TUNED], replay(run, read)
    if replayed != (recorded["optimum"], recorded["nested"]):
        raise RuntimeError(f"{run.path / FILE}: expected {recorded['optimum'], recorded['nested']}, but got {replayed}")
