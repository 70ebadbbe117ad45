"""Test tomograms in shards, each a job of its own; what they report is put together here.

A shard is every N-th tomogram. It keeps its candidates as ever, and what it reports beside its job until all shards are
there: a command that was cut off has only those done that are missing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from compute.cluster import run_jobs
from compute.cluster_options import Cluster
from compute.devices import find_devices
from compute.job_records import Status
from ensemble.ensemble import FILE
from evaluation.run_directory import open_run
from models import registry
from postproc.candidates import concatenate, read_candidates, write_candidates
from submissions.inputs import names_to_predict, trained_on
from submissions.prediction.budget import Budget, ladder
from submissions.prediction.collect import Collected, collect
from submissions.prediction.fusion import Fusion, load_fusion
from submissions.prediction.inference import Failure, Inference
from submissions.prediction.store import Store, code_version
from tomograms.dataset import DataRecord, open_recorded
from tomograms.errors import InputError
from tomograms.files import read_json, sha256, write_json


@dataclass(frozen=True)
class Request:
    """What every shard is told beside its number; plain and small.

    Attributes
    ----------
    data, only
        The data set, and which of its tomograms were asked for.
    run, store
        Their folders.
    members, final
        See `submissions.prediction.inference.Inference`.
    thresholds
        See `submissions.prediction.fusion.Fusion`.
    """

    data: DataRecord
    only: tuple[str, ...] | None
    run: str
    store: str
    members: tuple[str, ...]
    final: str
    thresholds: Mapping[str, float]

    def key(self, inference: Inference) -> str:
        """Return a hash of all that a shard's report depends on but for the tomograms' bytes."""
        content = [asdict(self), inference.weights, code_version(), sha256(Path(self.run) / FILE)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def collect_shards(
    cluster: Cluster,
    inference: Inference,
    fusion: Fusion,
    names: Sequence[str],
    *,
    only: Sequence[str] | None,
    folder: Path,
    judged: Sequence[str],
    devices: Sequence[str],
    say: Callable[[str], None],
) -> Collected:
    """Have every tomogram predicted by shards, and return what came out of those that finished.

    Parameters
    ----------
    cluster
        Where; its jobs are the number of shards.
    inference, fusion, names, judged, say
        See `submissions.prediction.collect.collect`.
    only
        The tomograms that were asked for, if any were.
    folder
        Where everything is written.
    devices
        Of every shard.

    Raises
    ------
    InputError
        See `compute.cluster.run_jobs`.
    """
    asked = None if only is None else tuple(only)
    request = Request(
        inference.dataset.record(),
        asked,
        str(inference.run.path.resolve()),
        str(inference.store.path.resolve()),
        inference.members,
        inference.final,
        dict(fusion.thresholds),
    )
    count = min(cluster.jobs, len(names))
    shards = {f"shard-{number + 1}-of-{count}": names[number::count] for number in range(count)}
    key = request.key(inference)
    jobs = folder.resolve() / "jobs"

    def finished(shard: str) -> bool:
        try:
            return bool(read_json(jobs / shard / "report.json")["key"] == key)
        except (InputError, KeyError, TypeError):
            return False

    def told(status: Status) -> None:
        say(f"{status.key}: done" if finished(status.key) else f"not finished: {status}")

    say(f"{count} shards of up to {len(names[::count])} tomograms; jobs in {jobs}")
    function = partial(do_shard, request=request, key=key, devices=tuple(devices), members=dict(registry.MEMBERS))
    left = run_jobs(cluster, function, folder, list(shards), finished=finished, told=told, name="cryoet-submit")
    collected = Collected()
    for shard in shards:
        if finished(shard):
            _read(jobs / shard, collected, judged)
    for status in left:
        missing = f"{len(shards[status.key])} tomograms are missing: {shards[status.key][0]}, ..."
        collected.failures.append(Failure(status.key, "", f"{missing}; the same command goes on with them"))
    if not left:
        for shard in shards:
            shutil.rmtree(jobs / shard / "report", ignore_errors=True)
            (jobs / shard / "report.json").unlink()
    return collected


def do_shard(
    folder: Path, shard: str, *, request: Request, key: str, devices: Sequence[str], members: Mapping[str, str]
) -> None:
    """Predict the tomograms of a shard, and keep what is reported; this is what a job does."""
    registry.MEMBERS.update(members)
    run = open_run(Path(request.run))
    dataset = open_recorded(request.data)
    number, count = map(int, shard.removeprefix("shard-").split("-of-"))
    names = names_to_predict(dataset, run, request.only)[number - 1 :: count]
    fusion = load_fusion(run, names, request.thresholds)
    fusion = replace(fusion, added=dataset.within_masks(fusion.added))
    found = find_devices(devices)
    inference = Inference(run, dataset, Store(Path(request.store)), request.members, found[0], request.final)
    seen = set(trained_on(run, names))
    judged = [name for name in names if name not in seen and dataset.has_picks(name)]
    budget = Budget(None, ladder(request.members), len(names), len(found), time.monotonic)
    own = folder / "jobs" / shard
    path = own / "report" / "submission.csv"
    say = partial(print, flush=True)
    collected = collect(inference, fusion, names, budget=budget, devices=found, path=path, judged=judged, say=say)
    write_candidates(own / "report" / "picks.parquet", collected.table())
    write_candidates(own / "report" / "fused.parquet", concatenate(list(collected.fused.values())))
    failures = [asdict(failure) for failure in collected.failures]
    write_json(own / "report.json", {"key": key, "names": sorted(collected.picks), "failures": failures})


def _read(folder: Path, collected: Collected, judged: Sequence[str]) -> None:
    """Add what a shard reports."""
    report = read_json(folder / "report.json")
    picks = read_candidates(folder / "report" / "picks.parquet")
    collected.picks |= dict.fromkeys(report["names"], picks[:0])
    collected.picks |= {str(name): rows.reset_index(drop=True) for name, rows in picks.groupby("experiment")}
    fused = read_candidates(folder / "report" / "fused.parquet")
    collected.fused |= dict.fromkeys(set(judged) & set(report["names"]), fused[:0])
    collected.fused |= {str(name): rows.reset_index(drop=True) for name, rows in fused.groupby("experiment")}
    collected.failures += [Failure(**failure) for failure in report["failures"]]
