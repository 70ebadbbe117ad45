"""A run packed for Kaggle and, if asked for, rehearsed."""

import argparse
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from scipy.spatial import cKDTree

from evaluation.metric import kaggle_score
from evaluation.run_directory import RunDirectory
from submissions.export.submission import read_submission
from submissions.inputs import find_run, open_data, trained_on
from submissions.kaggle.bundle import Order, write_bundle
from submissions.kaggle.packages import KAGGLE_IMAGE, inference_requirements, read_image, relied_on
from submissions.kaggle.rehearsal import find_python, lay_out, make_environment, run_notebook
from submissions.prediction.budget import parse_duration
from tomograms.console import console, counted
from tomograms.dataset import Dataset
from tomograms.errors import InputError
from tomograms.picks import join_truth
from tomograms.program import path_word, quoted

SAME, NEAR = 0.99, 1.0
"""Share of picks that two submissions of one ensemble must have in common, and the Å within which a pick is the same:
other versions of packages and other devices sum in another order."""
UPLOAD = """\
upload, with Kaggle's own command-line tool:
  kaggle datasets create -p {folder} -r zip
  kaggle kernels push -p {folder} --accelerator NvidiaTeslaT4
then submit the notebook's output to the competition on its page"""


def pack(arguments: argparse.Namespace) -> None:
    """Do what `submissions.kaggle` was asked for."""
    parse_duration(arguments.budget)
    if arguments.expect < 1:
        raise InputError(f"--expect: expected at least 1, but got {arguments.expect}")
    if not re.fullmatch("[A-Za-z0-9_-]+", arguments.account):
        raise InputError(
            "--account: expected the name in the address of your Kaggle profile (letters, digits, - and _), but got "
            f"{arguments.account!r}"
        )
    python = find_python(arguments.python) if arguments.rehearse else None
    run = find_run(arguments.runs, arguments.run)
    image = KAGGLE_IMAGE if arguments.image is None else read_image(arguments.image)
    order = Order(arguments.account, arguments.budget, arguments.expect, image, arguments.final)
    folder = arguments.out or run.path / "kaggle"
    record = write_bundle(folder, run, order)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    console().print(
        f"{folder}: {size:.1f} MB; members {', '.join(record['members'])}; "
        f"wheels {', '.join([record['project'], *(f'{n}=={v}' for n, v in record['packed'].items())])}",
        soft_wrap=True,
    )
    if python is not None:
        wanted = relied_on(inference_requirements(), image)
        rehearse(folder, run, open_data(run, arguments.data), python=python, hidden=record["packed"], wanted=wanted)
    console().print(UPLOAD.format(folder=quoted(path_word(folder))), soft_wrap=True)


def rehearse(
    folder: Path,
    run: RunDirectory,
    dataset: Dataset,
    *,
    python: Path,
    hidden: Sequence[str],
    wanted: Mapping[str, str | None],
) -> None:
    """Run the notebook as Kaggle would, check the submission and score it.

    Parameters
    ----------
    folder
        The bundle.
    run
        The run that it was made of.
    dataset
        What stands for the competition's data.
    python
        The interpreter that plays the image's.
    hidden
        Distributions that the bundle brings along.
    wanted
        Distributions that are taken from the image.

    Raises
    ------
    InputError
        If the notebook fails, or its submission differs from what `submissions.make` has written for these data.
    """
    names = dataset.runs("test")
    log = folder.parent / "rehearsal.log"
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as temporary:
        place = Path(temporary)
        lay_out(folder, dataset.root, place / "input")
        fresh = make_environment(place / "environment", python=python, without=hidden, wanted=wanted)
        console().print(f"rehearsal on {counted(len(names), 'tomogram')}, output in {log}", soft_wrap=True)
        code = run_notebook(folder / "submit.ipynb", fresh, inputs=place / "input", working=place / "working", log=log)
        if code:
            last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""])[-1]
            raise InputError(f"{log}: the notebook ended with code {code}: {last[:300]}")
        made = place / "working" / "submission.csv"
        extents = dataset.extents(names)
        table = read_submission(made, particles=run.particles, extents=extents)
        text = made.read_bytes()
    console().print(f"rehearsal: {len(table)} particles in {table['experiment'].nunique()} tomograms, checked")
    known = [name for name in names if dataset.has_picks(name) and name not in trained_on(run, names)]
    truth = join_truth([dataset.picks(name) for name in known])
    score = kaggle_score(truth, table, run.particles).total
    if known:
        kind = "simulated " if dataset.simulated else ""
        console().print(f"rehearsal: score against the {kind}truth of {counted(len(known), 'tomogram')}: {score:.6f}")
    before = run.path / "submission.csv"
    own = replace(dataset.record(), working_voxel_size=run.record.data.working_voxel_size)
    if not before.exists() or own != run.record.data:
        return
    if before.read_bytes() == text:
        console().print(f"rehearsal: the same submission as {before}, byte by byte", soft_wrap=True)
        return
    less = dropped(log.read_text(encoding="utf-8", errors="replace"))
    if less:
        console().print(f"rehearsal: not compared with {before}, since this machine is slow: {less}", soft_wrap=True)
        return
    earlier = read_submission(before, particles=run.particles, extents=extents)
    share = min(share_found(earlier, table), share_found(table, earlier))
    if share < SAME:
        raise InputError(
            f"{log}: expected {SAME:.0%} of the picks of {before} in the rehearsal's submission and the other way "
            f"round, within {NEAR:g} Å, but got {share:.2%}; was it made with the same ensemble?"
        )
    console().print(
        f"rehearsal: {share:.2%} of the picks are those of {before}, within {NEAR:g} Å ({SAME:.0%} are asked for)",
        soft_wrap=True,
    )


def dropped(log: str) -> str:
    """Return the notebook's line about what the time budget has dropped, or nothing."""
    return next((line for line in log.splitlines() if line.startswith("time budget: from ")), "")


def share_found(picks: pd.DataFrame, others: pd.DataFrame) -> float:
    """Return the share of picks that have one of the same species within `NEAR` in another list."""
    near, keys = 0, ["experiment", "particle_type"]
    groups = {key: rows[["x", "y", "z"]].to_numpy() for key, rows in others.groupby(keys)}
    for key, rows in picks.groupby(keys):
        if key in groups:
            distance, _ = cKDTree(groups[key]).query(rows[["x", "y", "z"]].to_numpy())
            near += int((distance <= NEAR).sum())
    return near / len(picks) if len(picks) else 1.0
