"""``python -m submissions.make``: the ensemble on the test tomograms, written as a submission and in other formats."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tomograms.errors import InputError, run_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from submissions.export.copick_picks import CopickTarget
    from submissions.export.submission import Extent
    from submissions.prediction.collect import Collected
    from submissions.prediction.fusion import Fusion
    from submissions.prediction.inference import Inference
    from tomograms.dataset import Dataset

LATEST = Path("submissions") / "submission.csv"
"""Where the submission that was made last is copied to."""
SOME_FAILED = 3
"""Exit code when a tomogram or a member failed and the rest was written."""
FORMATS = ("copick", "csv", "star")


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog="python -m submissions.make",
        description="Predict the test tomograms with a run's ensemble and write submission.csv. What was cut off goes "
        "on where it stood.",
        epilog="Exit code 3: some tomogram or member failed; the submission holds what worked.",
    )
    options.add_argument("--run", help="name of the run, a folder under runs/ (default: the one that was built last)")
    options.add_argument("--data", type=Path, help="Kaggle tree or copick config (default: the run's own data)")
    options.add_argument(
        "--tomograms",
        nargs="+",
        metavar="NAME",
        help="default: the test folder's; of a copick project, all that no model of the run was trained on",
    )
    options.add_argument(
        "--to",
        nargs="+",
        choices=FORMATS,
        default=[],
        help="also write picks with scores into the copick project, or as CSV or RELION STAR files to RUN/exports",
    )
    options.add_argument("--user", default="ensemble", help="whose picks they are (default: ensemble)")
    options.add_argument("--session", default="1", help="in which session (default: 1)")
    options.add_argument("--overwrite", action="store_true", help="replace copick picks of this user and session")
    options.add_argument(
        "--final",
        choices=("folds", "all"),
        default="folds",
        help="average the fold models (default), or train and use models on all runs, whose scores no run can check",
    )
    options.add_argument("--out", type=Path, help="folder of everything that is written (default: the run's)")
    options.add_argument("--budget", metavar="TIME", help="11h, 90m or 45s: drop views, then members, to end in time")
    options.add_argument("--expect", type=int, metavar="N", help="keep the budget as if there were N tomograms")
    options.add_argument(
        "--device",
        nargs="+",
        default=["auto"],
        help="cpu or cuda:N; of several each gets a process (default: auto, every GPU, or else the CPU)",
    )
    options.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser().parse_args(argv)

    from submissions.export.copick_picks import CopickTarget
    from submissions.export.submission import read_submission
    from submissions.inputs import extents_of, find_run, names_to_predict, open_data, trained_on
    from submissions.prediction.budget import Budget, ladder, parse_duration
    from submissions.prediction.collect import collect
    from submissions.prediction.final import FOLDS
    from submissions.prediction.fusion import load_fusion, members_in_use
    from submissions.prediction.inference import Inference
    from submissions.prediction.store import Store
    from submissions.prediction.workers import find_devices
    from tomograms.console import duration

    limit = None if arguments.budget is None else parse_duration(arguments.budget)
    run = find_run(arguments.runs, arguments.run)
    dataset = open_data(run, arguments.data)
    names = names_to_predict(dataset, run, arguments.tomograms)
    fusion = load_fusion(run, names, arguments.final)
    target = None
    if "copick" in arguments.to:
        target = CopickTarget(dataset.root, arguments.user, arguments.session, arguments.overwrite)
        target.check(names, [particle.name for particle in run.particles])
    members = members_in_use(fusion.ensemble, run)
    folder = arguments.out or run.path
    path = folder / "submission.csv"
    say(f"run {run.name}: {len(names)} test tomograms of {dataset.root}, members {', '.join(members)}")
    devices = find_devices(arguments.device)
    store = Store(folder / ("test" if arguments.final == FOLDS else "test-final"))
    inference = Inference(run, dataset, store, members, devices[0], arguments.final)
    if arguments.final != FOLDS:
        finish_training(inference)
    total = max(len(names), arguments.expect or 0)
    budget = Budget(limit, ladder(members), total, len(devices), time.monotonic)
    if limit is not None:
        order = "; then ".join(plan.describe(members) for plan in budget.plans[1:])
        say(f"time budget: {duration(limit)} for {total} tomograms; if it is short: {order}")
    seen = trained_on(run, names)
    judged = [name for name in names if name not in seen and dataset.has_picks(name, hand=True)]
    collected = collect(inference, fusion, names, budget=budget, devices=devices, path=path, judged=judged, say=say)
    if not collected.picks:
        raise InputError(f"no test tomogram could be predicted; the first: {collected.failures[0]}")
    extents = extents_of(dataset, sorted(collected.picks))
    table = read_submission(path, particles=run.particles, extents=extents)
    if arguments.out is None:
        LATEST.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, LATEST)
    if seen:
        say(f"not scored, because models of the run were trained on them: {', '.join(seen)}")
    if judged:
        say_score(fusion, dataset, collected, judged)
    copied = f"; copied to {LATEST}" if arguments.out is None else ""
    say(f"{path}: {len(table)} particles in {len(extents)} tomograms, checked{copied}")
    export(arguments, fusion, dataset, folder / "exports", picks=collected.table(), extents=extents, target=target)
    if collected.failures:
        failed = dict.fromkeys(failure.experiment for failure in collected.failures)
        say(f"not everything worked: see the failures above of {', '.join(failed)}")
    return SOME_FAILED if collected.failures else 0


def say(line: str) -> None:
    """Print a line as it is."""
    from tomograms.console import console

    console().print(line, markup=False, soft_wrap=True)


def finish_training(inference: Inference) -> None:
    """Train the final models that are not there yet, and say what they mean."""
    from submissions.prediction.final import MEANING, train_final, untrained
    from tomograms.console import Progress

    say(MEANING)
    with Progress() as progress:
        for member in inference.members:
            for seed, folder in untrained(inference.run, member).items():
                task = progress.task(f"final {member} seed {seed}", total=1)
                train_final(inference.run, member, seed, folder=folder, device=inference.device, advance=task.update)
                task.finish()


def export(
    arguments: argparse.Namespace,
    fusion: Fusion,
    dataset: Dataset,
    folder: Path,
    *,
    picks: pd.DataFrame,
    extents: Mapping[str, Extent],
    target: CopickTarget | None,
) -> None:
    """Write the other formats that were asked for."""
    from ensemble.ensemble import FILE
    from submissions.export.star import Provenance, ensemble_version, write_csv, write_star

    run = fusion.run
    species = [particle.name for particle in run.particles]
    provenance = Provenance(
        arguments.user,
        arguments.session,
        str(dataset.record()["tomogram_type"]),
        run.name,
        ensemble_version(run.path / FILE),
        dataset.simulated,
    )
    written = []
    if "csv" in arguments.to:
        written.append(str(write_csv(folder, picks, extents=extents, provenance=provenance)))
    if "star" in arguments.to:
        paths = write_star(folder, picks, species=species, extents=extents, provenance=provenance)
        written.append(f"{len(paths)} STAR files in {folder}")
    if target is not None:
        count = target.write(picks, extents=extents, species=species, provenance=provenance)
        written.append(f"{count} copick pick sets of user {target.user}, session {target.session}")
    if written:
        say(f"exported: {'; '.join(written)}")


def say_score(fusion: Fusion, dataset: Dataset, collected: Collected, judged: Sequence[str]) -> None:
    """Print what the test truth says of the tomograms on which it is known."""
    from postproc.candidates import concatenate
    from submissions.report.test_truth import compare, score_table
    from tomograms.console import console
    from tomograms.picks import join_truth

    try:
        truth = join_truth([dataset.picks(name, hand=True) for name in judged])
    except InputError as error:
        say(f"not scored: {error}")
        return
    thresholds, particles = fusion.ensemble.thresholds, fusion.run.particles
    rows = {
        way: compare(truth, concatenate(list(fused.values())), thresholds, particles)
        for way, fused in collected.fused.items()
    }
    kind = "simulated test truth" if dataset.simulated else "test truth"
    title = f"{kind}, {len(judged)} tomograms: score at out-of-fold thresholds, and optimum"
    console().print(score_table(rows, particles, title=title))


if __name__ == "__main__":
    run_command(main)
