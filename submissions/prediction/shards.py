"""Tomograms in shards, each a job of its own; what they report is put together here.

A shard is every N-th tomogram. It keeps its candidates as ever, and what it reports beside its job until all shards are
there: a command that was cut off has only those done that are missing. Whatever must be known of each tomogram, its
shard finds out; the command itself knows their names.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

from compute.cluster import run_jobs
from compute.cluster_options import Cluster
from compute.devices import find_devices
from compute.job_records import Status
from ensemble.ensemble import FILE
from evaluation.run_directory import open_run
from models import registry
from postproc.candidates import concatenate, read_candidates, write_candidates
from submissions.export.spool import Spool
from submissions.export.submission import Extent, write_submission
from submissions.prediction.budget import Budget, ladder
from submissions.prediction.collect import Collected, collect
from submissions.prediction.inference import Failure, Inference
from submissions.prediction.store import Store, code_version
from tomograms.console import counted
from tomograms.dataset import DataRecord, open_recorded
from tomograms.errors import InputError
from tomograms.files import read_json, sha256, write_json
from tomograms.tables import some_of

NAMES = "tomograms.json"
"""The file of all shards' tomograms: a job is told where it lies, and its shard's number."""


@dataclass(frozen=True)
class Request:
    """What every shard is told beside its number; plain and small.

    Attributes
    ----------
    data
        The data set.
    run, store
        Their folders.
    members, final
        See `submissions.prediction.inference.Inference`.
    thresholds, judge
        See `submissions.prediction.collect.collect`.
    """

    data: DataRecord
    run: str
    store: str
    members: tuple[str, ...]
    final: str
    thresholds: Mapping[str, float]
    judge: bool

    def key(self, inference: Inference, names: Sequence[str]) -> str:
        """Return a hash of all that shards' reports on these tomograms depend on but for the tomograms' bytes."""
        content = [asdict(self), list(names), inference.weights, code_version(), sha256(Path(self.run) / FILE)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def gather(
    cluster: Cluster | None,
    inference: Inference,
    names: Sequence[str],
    *,
    thresholds: Mapping[str, float],
    judge: bool,
    devices: Sequence[str],
    budget: Budget,
    path: Path,
    say: Callable[[str], None],
) -> Iterator[Collected]:
    """Have every tomogram predicted, here or by shards; yield what came out, and write the submission.

    Parameters
    ----------
    cluster
        Where; its jobs are the number of shards. ``None``: in this command.
    inference, names, thresholds, judge, path, say
        See `submissions.prediction.collect.collect`.
    devices
        Of every shard, as they were asked for; without shards those that were found.
    budget
        Without shards; these have none.

    Raises
    ------
    InputError
        See `submissions.prediction.collect.collect` and `compute.cluster.run_jobs`.
    """
    run = inference.run
    if cluster is None:
        with TemporaryFile(dir=path.parent) as file:
            yield collect(
                inference,
                names,
                thresholds=thresholds,
                judge=judge,
                budget=budget,
                devices=devices,
                spool=Spool(file, run.particles),
                path=path,
                say=say,
            )
        return
    store = str(inference.store.path.resolve())
    data, members = inference.dataset.record(), inference.members
    request = Request(data, str(run.path.resolve()), store, members, inference.final, dict(thresholds), judge)
    key = request.key(inference, names)
    count = min(cluster.jobs, len(names))
    shards = [f"shard-{number + 1}-of-{count}" for number in range(count)]
    jobs = path.parent.resolve() / "jobs"
    write_json(jobs / NAMES, {"key": key, "names": list(names)})

    def finished(shard: str) -> bool:
        try:
            return bool(read_json(jobs / shard / "report.json")["key"] == key)
        except (InputError, KeyError, TypeError):
            return False

    def told(status: Status) -> None:
        say(f"{status.key}: done" if finished(status.key) else f"not finished: {status}")

    say(f"{count} shards of up to {len(names[::count])} tomograms; jobs in {jobs}")
    function = partial(do_shard, request=request, key=key, devices=tuple(devices), members=dict(registry.MEMBERS))
    left = run_jobs(cluster, function, path.parent, shards, finished=finished, told=told, name="cryoet-picks")
    with TemporaryFile() as own, ExitStack() as files:
        collected = Collected(Spool(own, run.particles))
        for number, shard in enumerate(shards):
            if finished(shard):
                _read(jobs / shard, collected, files, say)
            else:
                missing = names[number::count]
                what = counted(len(missing), "tomogram")
                reason = f"{what} missing: {some_of(missing)}; the same command goes on with them"
                collected.failures.append(Failure(shard, "", reason))
                say(f"failed: {collected.failures[-1]}")
        collected.judged.sort()
        write_submission(path, collected.picks.tables())
        yield collected
    if not left:
        for shard in shards:
            (jobs / shard / "report.json").unlink()
            shutil.rmtree(jobs / shard / "report", ignore_errors=True)


def do_shard(
    folder: Path, shard: str, *, request: Request, key: str, devices: Sequence[str], members: Mapping[str, str]
) -> None:
    """Predict the tomograms of a shard, and keep what is reported; this is what a job does."""
    registry.MEMBERS.update(members)
    run, dataset = open_run(Path(request.run)), open_recorded(request.data)
    number, count = map(int, shard.removeprefix("shard-").split("-of-"))
    asked = read_json(folder / "jobs" / NAMES)
    if asked["key"] != key:
        raise InputError(f"{folder / 'jobs' / NAMES}: expected what this job is to do, but a later command asked more")
    names = asked["names"][number - 1 :: count]
    found = find_devices(devices)
    inference = Inference(run, dataset, Store(Path(request.store)), request.members, found[0], request.final)
    own, notes = folder / "jobs" / shard, []

    def say(line: str) -> None:
        print(line, flush=True)
        notes.append(line)

    (own / "report").mkdir(exist_ok=True)
    with (own / "report" / "picks").open("w+b") as file:
        spool = Spool(file, run.particles)
        budget = Budget(None, ladder(request.members), len(names), len(found), time.monotonic)
        collected = collect(
            inference,
            names,
            thresholds=request.thresholds,
            judge=request.judge,
            budget=budget,
            devices=found,
            spool=spool,
            path=None,
            say=say,
        )
    write_candidates(own / "report" / "fused.parquet", concatenate(list(collected.fused.values())))
    report = {
        "key": key,
        "picks": spool.places,
        "extents": {name: asdict(extent) for name, extent in collected.extents.items()},
        "failures": [asdict(failure) for failure in collected.failures],
        "judged": collected.judged,
        "fused": sorted(collected.fused),
        "notes": notes,
    }
    write_json(own / "report.json", report)


def _read(folder: Path, collected: Collected, files: ExitStack, say: Callable[[str], None]) -> None:
    """Add what a shard reports; its picks stay in its file, which is kept open."""
    report = read_json(folder / "report.json")
    for line in report["notes"]:
        say(line)
    collected.picks.take(files.enter_context((folder / "report" / "picks").open("rb")), report["picks"])
    extents = report["extents"]
    collected.extents |= {name: Extent(tuple(one["shape"]), one["voxel_size"]) for name, one in extents.items()}
    collected.failures += [Failure(**failure) for failure in report["failures"]]
    collected.judged += report["judged"]
    fused = read_candidates(folder / "report" / "fused.parquet")
    collected.fused |= dict.fromkeys(report["fused"], fused[:0])
    collected.fused |= {str(name): rows.reset_index(drop=True) for name, rows in fused.groupby("experiment")}
