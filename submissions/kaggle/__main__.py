"""``python -m submissions.kaggle``: pack a run for Kaggle, and rehearse the notebook without network."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tomograms.errors import InputError, run_command

if TYPE_CHECKING:
    from evaluation.run_directory import RunDirectory
    from tomograms.dataset import Dataset

SAME = 1e-3
"""Scores of one ensemble that differ by more are not the same; sums on a GPU may differ in their last digits."""
UPLOAD = """\
upload, with Kaggle's own command-line tool:
  kaggle datasets create -p {folder} -r zip
  kaggle kernels push -p {folder} --accelerator NvidiaTeslaT4
then submit the notebook's output to the competition on its page"""


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog="python -m submissions.kaggle",
        description="Pack a run's ensemble into one folder that can be uploaded to Kaggle as it is: weights, wheels, "
        "an offline notebook and its metadata.",
    )
    options.add_argument("--run", help="name of the run, a folder under runs/ (default: the one that was built last)")
    options.add_argument("--out", type=Path, help="folder of the bundle (default: RUN/kaggle)")
    options.add_argument("--account", default="ACCOUNT", help="your Kaggle account, for the metadata")
    options.add_argument("--budget", default="11h", help="the notebook's time budget (default: 11h)")
    options.add_argument("--expect", type=int, default=500, help="tomograms to be expected (default: 500)")
    options.add_argument(
        "--image", type=Path, metavar="FILE", help="pip freeze of Kaggle's image (default: a built-in list of names)"
    )
    options.add_argument(
        "--python", default=f"{sys.version_info.major}.{sys.version_info.minor}", help="Kaggle's Python (default: this)"
    )
    options.add_argument(
        "--final",
        choices=("folds", "all"),
        default="folds",
        help="models: of the folds (default), or those trained on all runs",
    )
    options.add_argument(
        "--rehearse",
        action="store_true",
        help="then run the notebook in a fresh environment without network, on the test tomograms of --data",
    )
    options.add_argument("--data", type=Path, help="Kaggle tree for the rehearsal (default: the run's own data)")
    options.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)

    from submissions.inputs import find_run, open_data
    from submissions.kaggle.bundle import Order, write_bundle
    from submissions.kaggle.packages import KAGGLE_IMAGE, read_image
    from submissions.prediction.budget import parse_duration
    from tomograms.console import console

    parse_duration(arguments.budget)
    if arguments.expect < 1:
        raise InputError(f"--expect: expected at least 1, but got {arguments.expect}")
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if arguments.rehearse and arguments.python != own:
        raise InputError(f"--rehearse: expected --python {own}, which runs here, but got {arguments.python}")
    run = find_run(arguments.runs, arguments.run)
    image = dict.fromkeys(KAGGLE_IMAGE) if arguments.image is None else read_image(arguments.image)
    order = Order(arguments.account, arguments.budget, arguments.expect, image, arguments.python, arguments.final)
    folder = arguments.out or run.path / "kaggle"
    record = write_bundle(folder, run, order)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    console().print(
        f"{folder}: {size:.1f} MB; members {', '.join(record['members'])}; "
        f"wheels {', '.join([record['wheel'], *(f'{n}=={v}' for n, v in record['packed'].items())])}",
        markup=False,
        soft_wrap=True,
    )
    if arguments.rehearse:
        rehearse(folder, run, open_data(run, arguments.data), hidden=record["packed"])
    console().print(UPLOAD.format(folder=folder), markup=False, soft_wrap=True)


def rehearse(folder: Path, run: RunDirectory, dataset: Dataset, *, hidden: Sequence[str]) -> None:
    """Run the notebook as Kaggle would, check the submission and score it.

    Parameters
    ----------
    folder
        The bundle.
    run
        The run that it was made of.
    dataset
        What stands for the competition's data.
    hidden
        Distributions that the bundle brings along.

    Raises
    ------
    InputError
        If the notebook fails, or its submission differs from what `submissions.make` has written for these data.
    """
    from evaluation.metric import kaggle_score
    from submissions.export.submission import read_submission
    from submissions.inputs import extents_of, trained_on
    from submissions.kaggle.rehearsal import lay_out, make_environment, run_notebook
    from tomograms.console import console
    from tomograms.picks import join_truth

    names = dataset.runs("test")
    log = folder.parent / "rehearsal.log"
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as temporary:
        place = Path(temporary)
        lay_out(folder, dataset.root, place / "input")
        python = make_environment(place / "environment", without=hidden)
        console().print(f"rehearsal on {len(names)} tomograms, output in {log}", markup=False, soft_wrap=True)
        code = run_notebook(folder / "submit.ipynb", python, inputs=place / "input", working=place / "working", log=log)
        if code:
            last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""])[-1]
            raise InputError(f"{log}: the notebook ended with code {code}: {last[:300]}")
        made = place / "working" / "submission.csv"
        extents = extents_of(dataset, names)
        table = read_submission(made, particles=run.particles, extents=extents)
        text = made.read_bytes()
    console().print(f"rehearsal: {len(table)} particles in {table['experiment'].nunique()} tomograms, checked")
    known = [name for name in names if dataset.has_picks(name, hand=True) and name not in trained_on(run, names)]
    truth = join_truth([dataset.picks(name, hand=True) for name in known])
    score = kaggle_score(truth, table, run.particles).total
    if known:
        kind = "simulated " if dataset.simulated else ""
        console().print(f"rehearsal: score against the {kind}truth of {len(known)} tomograms: {score:.6f}")
    before = run.path / "submission.csv"
    if not before.exists() or dataset.record() != dict(run.record["data"]):
        return
    if before.read_bytes() == text:
        console().print(f"rehearsal: the same submission as {before}, byte by byte", markup=False, soft_wrap=True)
        return
    earlier = kaggle_score(
        truth, read_submission(before, particles=run.particles, extents=extents), run.particles
    ).total
    if abs(earlier - score) > SAME:
        raise InputError(
            f"{log}: the rehearsal's submission scores {score:.6f}, but {before} scores {earlier:.6f}; was it made "
            "with the same ensemble, and did the time budget drop anything?"
        )
    console().print(f"rehearsal: {before} differs in places; it scores {earlier:.6f}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    run_command(main)
