"""A submission from beginning to end: test tomograms predicted, the file checked, exported and, if possible, scored."""

import argparse
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from compute.cluster_options import parse_cluster
from compute.devices import find_devices
from compute.lock import held
from evaluation.run_directory import RunDirectory
from postproc.candidates import concatenate, disk_space
from submissions.export.names import Naming
from submissions.export.submission import check_written
from submissions.inputs import find_run, names_to_predict, open_data, trained_on
from submissions.prediction.budget import Budget, ladder, parse_duration
from submissions.prediction.collect import Collected
from submissions.prediction.final import FOLDS, MEANING, require_room, train_final, untrained
from submissions.prediction.fusion import Fusion, fusion_on, load_fusion, members_in_use, parse_thresholds
from submissions.prediction.inference import Inference
from submissions.prediction.shards import gather
from submissions.prediction.store import Store
from submissions.report.truth import truth_table
from tomograms.console import Progress, console, counted, duration
from tomograms.dataset import Dataset
from tomograms.disk import require_space
from tomograms.errors import SOME_FAILED, InputError
from tomograms.files import replacing
from tomograms.picks import join_truth

LATEST = Path("submissions") / "submission.csv"
"""Where the submission that was made last is copied to."""


def submit(arguments: argparse.Namespace) -> int:
    """Do what `submissions.make` was asked for; return the exit code."""
    limit = None if arguments.budget is None else parse_duration(arguments.budget)
    run = find_run(arguments.runs, arguments.run)
    folder = arguments.out or run.path
    with held(folder):
        return _submit(arguments, run, folder, limit)


def _submit(arguments: argparse.Namespace, run: RunDirectory, folder: Path, limit: float | None) -> int:
    """Predict, write and score in a folder that nobody else works in."""
    cluster = parse_cluster(arguments)
    if arguments.expect is not None and arguments.expect < 1:
        raise InputError(f"--expect: expected at least 1, but got {arguments.expect}")
    if cluster is not None and limit is not None:
        raise InputError("--budget: expected without --on: shards do not know of each other's time")
    dataset = open_data(run, arguments.data, arguments.mask, arguments.voxel_spacing)
    names = names_to_predict(dataset, run, arguments.tomograms)
    check_masks(dataset, run, names)
    thresholds = parse_thresholds(arguments.threshold, run.particles)
    fusion = load_fusion(run, (), thresholds)
    exports = None
    if arguments.to:
        from submissions.export.formats import Exports  # a submission alone needs neither copick nor starfile

        naming = Naming(arguments.name_prefix, arguments.name_suffix)
        exports = Exports(arguments.to, run, dataset, arguments.user, arguments.session, arguments.overwrite, naming)
        exports.check(names, folder / "exports")
    members = members_in_use(fusion.ensemble, run)
    path = folder / "submission.csv"
    say(f"run {run.name}: {counted(len(names), 'test tomogram')} of {dataset.root}, members {', '.join(members)}")
    if arguments.out is None:
        require_space(LATEST.parent, 0, "a copy of the submission")
    require_space(folder, disk_space(len(names) * len(members)), f"predictions in {counted(len(names), 'tomogram')}")
    devices = find_devices(arguments.device, say=say) if cluster is None else arguments.device
    store = Store(folder / ("test" if arguments.final == FOLDS else "test-final"))
    inference = Inference(run, dataset, store, members, devices[0], arguments.final)
    if arguments.final != FOLDS:
        finish_training(inference)
    total = max(len(names), arguments.expect or 0)
    budget = Budget(limit, ladder(members), total, len(devices), time.monotonic)
    if limit is not None:
        order = "; then ".join(plan.describe(members) for plan in budget.plans[1:])
        say(f"time budget: {duration(limit)} for {counted(total, 'tomogram')}; if it is short: {order}")
    gathered = gather(
        cluster,
        inference,
        names,
        thresholds=thresholds,
        judge=True,
        devices=devices,
        budget=budget,
        path=path,
        say=say,
    )
    with gathered as collected:
        predicted = collected.picks.names
        if not predicted:
            raise InputError(f"no test tomogram could be predicted; the first: {collected.failures[0]}")
        count = check_written(path, particles=run.particles, extents=collected.extents)
        if arguments.out is None:
            with replacing(LATEST) as temporary:
                shutil.copyfile(path, temporary)
        seen = trained_on(run, names)
        if seen:
            say(f"not scored, because models of the run were trained on them: {', '.join(seen)}")
        if collected.judged:
            say_score(fusion, dataset, collected)
        copied = f"; copied to {LATEST}" if arguments.out is None else ""
        say(f"{path}: {counted(count, 'particle')} in {counted(len(predicted), 'tomogram')}, checked{copied}")
        if exports is not None:
            say(f"exported: {'; '.join(exports.write(folder / 'exports', collected.picks, collected.extents))}")
        store.write_failures(asdict(failure) for failure in collected.failures)
        write_page(arguments, inference, thresholds, folder, names)
    if collected.failures:
        failed = dict.fromkeys(failure.experiment for failure in collected.failures)
        say(f"not everything worked: see the failures above of {', '.join(failed)}")
    return SOME_FAILED if collected.failures else 0


def check_masks(dataset: Dataset, run: RunDirectory, names: Sequence[str]) -> None:
    """Refuse tomograms without a mask where masks are asked for; say where only the training had some."""
    if dataset.masks is not None:
        dataset.masks.check(names)
        say(f"inside the masks of {dataset.masks.name}")
    elif run.record.mask_hash is not None:
        say(f"run {run.name} was trained inside masks; these tomograms are predicted as a whole (--mask)")


def say(line: str) -> None:
    """Print a line as it is."""
    console().print(line, soft_wrap=True)


def write_page(
    arguments: argparse.Namespace,
    inference: Inference,
    thresholds: Mapping[str, float],
    folder: Path,
    names: Sequence[str],
) -> None:
    """Write the report beside the submission, which is complete by now; a run that was packed for Kaggle has none."""
    run, dataset = inference.run, inference.dataset
    if not (run.path / "truth.csv").exists():
        return
    from submissions.report.material import gather_material, shown  # predicting needs neither jinja2 nor pictures
    from submissions.report.writing import write_report

    options = {
        "--final": None if arguments.final == FOLDS else arguments.final,
        "--data": arguments.data,
        "--voxel-spacing": arguments.voxel_spacing,
        "--mask": arguments.mask,
        "--out": arguments.out,
        "--tomograms": list(names) if arguments.tomograms else None,
        "--to": ["star", "csv"],
    }
    try:
        command = run.command("submissions.make", options.items())
        fusion = fusion_on(dataset, run, shown(names), thresholds)
        material = gather_material(fusion, store=inference.store, names=names, dataset=dataset, command=command)
        say(f"to look at: {write_report(material, folder)}")
    except InputError as error:
        say(f"no report: {error}")


def finish_training(inference: Inference) -> None:
    """Train the final models that are not there yet, and say what they mean."""
    say(MEANING)
    require_room(inference.run, inference.members)
    with Progress() as progress:
        for member in inference.members:
            for seed, folder in untrained(inference.run, member).items():
                task = progress.task(f"final {member} seed {seed}", total=1)
                train_final(inference.run, member, seed, folder=folder, device=inference.device, advance=task.update)
                task.finish()


def say_score(fusion: Fusion, dataset: Dataset, collected: Collected) -> None:
    """Print what the test truth says of the tomograms on which it is known."""
    try:
        truth = join_truth([dataset.picks(name) for name in collected.judged])
    except InputError as error:
        say(f"not scored: {error}")
        return
    fused = concatenate(list(collected.fused.values()))
    kind = "simulated test truth" if dataset.simulated else "test truth"
    title = f"{kind}, {counted(len(collected.judged), 'tomogram')}: score as submitted, and optimum"
    console().print(truth_table(truth, fused, fusion.keep(fused), fusion.run.particles, title=title))
