"""``python -m tests.benchmark``: every stage against the peers' way of doing the same work, on the same input.

Both ways run in turns in this process; the table shows medians. ``others`` in the JSON file is how many cores other
work kept busy meanwhile: figures of a busy machine are marked, and only the ratio of CPU times says much then.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tests.benchmark.stages import STAGES


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 also where a floor is missed."""
    stages = "\n".join(f"  {name:12} {title}" for name, title in STAGES.items())
    options = argparse.ArgumentParser(
        prog="python -m tests.benchmark",
        description=f"{__doc__}\nstages:\n{stages}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--only", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE")
    options.add_argument(
        "--scale", choices=("small", "full"), default="full", help="small: seconds, to see that it runs"
    )
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options.add_argument("--device", default="cpu", help="of networks and simulator: cpu or cuda")
    options.add_argument("--weights", type=Path, metavar="FOLDER", help="of a trained U-Net, for the inference stages")
    arguments = options.parse_args(argv)

    from tests.benchmark.machine import QUIET, OtherWork, describe
    from tests.benchmark.rows import table
    from tests.benchmark.scale import Scale
    from tests.benchmark.stages import run_stage
    from tomograms.console import console
    from tomograms.files import write_json

    scale = Scale(arguments.scale == "full", arguments.device, arguments.weights)
    machine = describe(arguments.device)
    rows, records, disturbed = [], [], []
    for name in arguments.only:
        console().print(f"{name}: {STAGES[name]}")
        other = OtherWork()
        done = run_stage(name, scale)
        cores = other.cores()
        if cores is not None and cores > QUIET:
            disturbed.append(f"{name} ({cores:.1f})")
        rows += done
        records += [{**row.record(), "others": cores, "instructions": machine["instructions"]} for row in done]
        if arguments.json:  # after each stage: a long run that ends early leaves what it measured
            write_json(arguments.json, {"scale": arguments.scale, "machine": machine, "rows": records})
    title = f"{arguments.scale} scale, {machine['processor']}, {machine['threads']} threads"
    console().print(table(rows, title, machine["instructions"]))
    if disturbed:
        console().print(f"Other work kept cores busy during: {', '.join(disturbed)}. Trust CPU times only.")
    missed = [row.stage for row in rows if not row.met]
    console().print(
        f"{len(rows) - len(missed)} of {len(rows)} rows met" + (f"; missed: {', '.join(missed)}" if missed else "")
    )
    return 0


if __name__ == "__main__":
    main()
