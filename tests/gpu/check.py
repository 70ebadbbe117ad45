"""``python -m tests.gpu.check``: what only a GPU can show, in five minutes; one line a fact, PASS or FAIL.

Each stage is a process with a limit, so that a crash or a hang costs one stage. Time that a stage leaves is the next
ones'. ``--device cpu`` rehearses all of them on small sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from tests.gpu.facts import Bench, Fact, offline, read_facts

STAGES: Mapping[str, tuple[str, int]] = {
    "machine": ("machine_stage", 20),
    "data": ("prediction_stages", 25),
    "same": ("prediction_stages", 25),
    "gradients": ("training_stages", 12),
    "unet": ("training_stages", 28),
    "layouts": ("training_stages", 18),
    "yolo": ("training_stages", 50),
    "full": ("prediction_stages", 20),
    "workers": ("process_stages", 80),
    "killed": ("process_stages", 22),
}
"""Each stage's module and seconds: 300 in all."""
NEEDS: Mapping[str, tuple[str, ...]] = {"same": ("data",), "workers": ("data",), "killed": ("data", "workers")}
"""What `--only` adds: stages that leave something for others."""


def stage_function(stage: str) -> Callable[[Bench], None]:
    """Return what a stage does."""
    return getattr(import_module(f"tests.gpu.{STAGES[stage][0]}"), stage)


def work(bench: Bench) -> int:
    """Do one stage in this process; return its exit code."""
    with offline(bench):
        try:
            stage_function(bench.stage)(bench)
        except Exception as error:
            traceback.print_exc()
            bench.tell("ended", " ".join(f"{type(error).__name__}: {error}".split())[:300], False)
    return int(any(fact.holds is False for fact in read_facts(bench.file)))


def environment(place: Path) -> dict[str, str]:
    """Return the environment of the stages, in which compiled modules are kept even where this process keeps none.

    Images that hold packages uncompiled are met: without this every process compiles them, for ten seconds and more.
    """
    if not sys.dont_write_bytecode:
        return dict(os.environ)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(place / "compiled")}


def run_stage(command: Sequence[str], bench: Bench, limit: float) -> list[Fact]:
    """Run a stage's process, end it and its children at the limit, and return its facts and how it ended."""
    start = time.monotonic()
    process = subprocess.Popen(command, start_new_session=True, env=environment(bench.place))
    try:
        code: int | None = process.wait(limit)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    spent = time.monotonic() - start
    facts = read_facts(bench.file)
    if code is None:
        facts.append(Fact(bench.stage, "ended after its limit, seconds", spent, False))
    elif code and all(fact.holds is not False for fact in facts):
        facts.append(Fact(bench.stage, "ended with code", code, False))
    else:
        return [*facts, Fact(bench.stage, "seconds", spent, None)]
    print(facts[-1], flush=True)
    return facts


def check(stages: Sequence[str], device: str, place: Path, *, scale: float) -> list[Fact]:
    """Run the stages one after the other; return all facts."""
    facts: list[Fact] = []
    end = time.monotonic()
    for stage in stages:
        end += scale * STAGES[stage][1]
        bench = Bench(stage, device, place, place / f"{stage}.jsonl")
        command = [sys.executable, "-W", "ignore", "-m", "tests.gpu.check", "--device", device]
        command += ["--stage", stage, "--place", str(place)]
        print(f"---- {stage}", flush=True)
        facts += run_stage(command, bench, max(1.0, end - time.monotonic()))
    return facts


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.gpu.check", description=__doc__.partition(":")[2])
    options.add_argument("--device", default="cuda:0", help="cuda:N, or cpu for a rehearsal (default: cuda:0)")
    options.add_argument("--only", nargs="+", choices=STAGES, metavar="STAGE", help=f"of {', '.join(STAGES)}")
    options.add_argument("--out", type=Path, help="JSON file of all facts")
    options.add_argument("--scale", type=float, default=1.0, help="factor on all limits (default: 1, 300 s in all)")
    options.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    return options


def main(argv: Sequence[str] | None = None) -> int:
    asked = parser().parse_args(argv)
    if asked.stage:
        return work(Bench(asked.stage, asked.device, asked.place, asked.place / f"{asked.stage}.jsonl"))
    wanted = {part for stage in asked.only or STAGES for part in (stage, *NEEDS.get(stage, ()))}
    chosen = [stage for stage in STAGES if stage in wanted]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as place:
        facts = check(chosen, asked.device, Path(place), scale=asked.scale)
    bad = [fact for fact in facts if fact.holds is False]
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        record = {"device": asked.device, "seconds": time.monotonic() - start, "facts": [asdict(f) for f in facts]}
        asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    passed = sum(fact.holds is True for fact in facts)
    print(f"---- {passed} passed, {len(bad)} failed, {time.monotonic() - start:.0f} s")
    for fact in bad:
        print(fact)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
