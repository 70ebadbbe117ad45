"""``python -m tests.cluster.day``: many tomograms in shards, stored candidates in place of networks, and what it costs.

Every tomogram is one of the competition's size, of zeros, which is hashed and never read; the candidates of its two
members are drawn by chance, as many as networks leave. The table tells of each number of tomograms what one call of
`submissions.make` took: the command, and its shards, of which the largest one's memory is told. Without its report,
which tells of some hundred tomograms, however many there are.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from evaluation.run_directory import open_run
from models import registry
from postproc.candidates import concatenate, make_candidates
from submissions.prediction.final import model_folders
from submissions.prediction.store import prediction_key, weights_key
from tests.submissions.conftest import RUN, write_tiny_data, write_tiny_run
from tests.submissions.fakes import FAKES
from tomograms.dataset import open_dataset
from tomograms.files import write_json
from tomograms.kaggle_tree import write_run
from tomograms.particles import CZII

ROOT = Path(__file__).resolve().parents[2]
SHAPE, VOXEL_SIZE = (184, 630, 630), 10.012444
DRAWS = 16
"""Different tables of candidates, given to the tomograms in turn."""
CANDIDATES = 12
"""Of a species and member."""
CODE = (
    "import json, resource, sys; from models import registry; from tests.submissions.fakes import FAKES; "
    "from submissions.make import main; registry.MEMBERS.clear(); registry.MEMBERS.update(FAKES); "
    "code = main(sys.argv[2:]); own, jobs = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, "
    "resource.RUSAGE_CHILDREN)); told = [[u.ru_utime + u.ru_stime, u.ru_maxrss * 1024] for u in (own, jobs)]; "
    "open(sys.argv[1], 'w').write(json.dumps(told)); sys.exit(code)"
)
"""The command, which tells its own processor time and peak memory and those of its shards."""


def name_of(number: int) -> str:
    """Return a tomogram's name."""
    return f"T_{number:06}"


def prepare(root: Path, count: int) -> None:
    """Write a finished cross-validation of two members, one tomogram, and stored candidates of ``count`` like it."""
    registry.MEMBERS.clear()
    registry.MEMBERS.update(FAKES)
    write_tiny_run(root / RUN, write_tiny_data(root / "tiny"))
    write_run(root / "one", "test", "T", volume=np.zeros(SHAPE, np.float32), voxel_size=VOXEL_SIZE, picks={})
    volume = open_dataset(root / "one").volume_hash("T")
    run = open_run(root / RUN)
    (run.path / "truth.csv").unlink()
    for member in run.members:
        key = prediction_key(volume, weights_key(model_folders(run, member)))
        card = json.dumps({"key": key, "views": 1, "full": 1, "seconds": 1.0, "remark": ""})
        tables = [pa.Table.from_pandas(draw(member, number), preserve_index=False) for number in range(DRAWS)]
        for number in range(count):
            folder = root / "store" / name_of(number)
            folder.mkdir(parents=True, exist_ok=True)
            table = tables[number % DRAWS]
            names = pa.array([name_of(number)] * len(table))
            pq.write_table(table.set_column(0, "experiment", names), folder / f"{member}.parquet")
            (folder / f"{member}.json").write_text(card)


def draw(member: str, seed: int) -> pd.DataFrame:
    """Return candidates of a member somewhere in a tomogram; where they lie, both members agree in half of them."""
    high = (np.array(SHAPE[::-1]) - 1) * VOXEL_SIZE
    tables = []
    for particle in CZII:
        shared, own = (np.random.default_rng([seed, particle.label, *more]) for more in ((), (len(member),)))
        places = np.concatenate([g.uniform(0, high, (CANDIDATES // 2, 3)) for g in (shared, own)])
        scores = own.beta(0.5, 0.8, CANDIDATES)
        tables.append(make_candidates("T", particle.name, places, scores, member=member, model="mean"))
    return concatenate(tables)


def play(root: Path, count: int, shards: int) -> dict[str, float]:
    """Predict ``count`` tomograms by one call of the command; return what it cost."""
    runs, out = root / f"data-{count}/test/static/ExperimentRuns", root / f"out-{count}"
    runs.mkdir(parents=True)
    out.mkdir()
    (out / "test").symlink_to(root / "store")
    for number in range(count):
        (runs / name_of(number)).symlink_to(root / "one/test/static/ExperimentRuns/T")
    told, before, begin = root / f"told-{count}.json", written(), time.monotonic()
    given = ["--run", RUN.name, "--data", f"data-{count}", "--out", str(out), "--device", "cpu"]
    with (root / "log").open("ab") as log:
        command = [sys.executable, "-c", CODE, str(told), *given, "--on", "local", "--jobs", str(shards)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        code = subprocess.run(command, cwd=root, env=environment, stdout=log, stderr=log, check=False).returncode
    assert code == 0, (root / "log").read_text()
    (own, own_peak), (jobs, jobs_peak) = json.loads(told.read_text())
    files = [path for path in out.rglob("*") if path.is_file()]
    return {
        "tomograms": count,
        "wall": time.monotonic() - begin,
        "command": own,
        "shards": jobs,
        "command_memory": own_peak,
        "shard_memory": jobs_peak,
        "files": len(files),
        "written": written() - before,
        "submission": (out / "submission.csv").stat().st_size,
    }


def written() -> int:
    """Return the bytes that this process and those that it has waited for have written so far."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["wchar"])


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(prog="python -m tests.cluster.day", description=__doc__)
    options.add_argument("--tomograms", type=int, nargs="+", default=[5_000, 10_000, 20_000], metavar="N")
    options.add_argument("--shards", type=int, default=8)
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)
    rows = []
    with TemporaryDirectory() as folder:
        root = Path(folder)
        prepare(root, max(arguments.tomograms))
        print(
            "| tomograms | wall, s | command, CPU s | shards, CPU s | command, MB | a shard, MB | files | written, MB |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for count in arguments.tomograms:
            row = play(root, count, arguments.shards)
            rows.append(row)
            times = f"{row['wall']:.0f} | {row['command']:.1f} | {row['shards']:.1f}"
            memory = f"{row['command_memory'] / 1e6:.0f} | {row['shard_memory'] / 1e6:.0f}"
            print(f"| {count:,} | {times} | {memory} | {row['files']} | {row['written'] / 1e6:.0f} |", flush=True)
            if arguments.json:
                write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
