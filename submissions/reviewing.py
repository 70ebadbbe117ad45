"""A run's own picks, looked at through what its members found out of fold: a table, ``review.csv``, copick picks."""

import argparse
from collections.abc import Sequence

import pandas as pd
from rich.table import Table

from ensemble.ensemble import FILE
from ensemble.labels import COLUMNS, LabelReview, review_labels
from evaluation.report import empty_table
from evaluation.run_directory import RunDirectory
from submissions.export.formats import Exports
from submissions.inputs import find_run, open_data
from submissions.prediction.fusion import load_fusion
from submissions.report.layers import load_layers
from submissions.report.material import held_out_layer
from tomograms.console import console
from tomograms.dataset import Dataset
from tomograms.errors import InputError
from tomograms.files import replacing

FINDINGS = ("missing", "doubtful")
"""What a row of the list is; names of copick sessions, too."""

EXPLAINED = (
    "Share picked: of the true particles, estimated from the surest candidates. Listed: candidates without a pick. "
    "Missing: how many of these are particles, by their probabilities. Doubtful: picks that nothing speaks for, or at "
    "which another species is likelier (swapped). Perfect F4: what somebody scores against these picks who finds every "
    "particle and nothing else."
)


def review(arguments: argparse.Namespace) -> None:
    """Do what `submissions.review` was asked for.

    Raises
    ------
    InputError
        If the run holds no picks, or picks are in the copick project already.
    """
    run = find_run(arguments.runs, arguments.run)
    layers = load_layers(load_fusion(run, []))
    if not layers.by_fold:
        raise InputError(f"{run.path / FILE}: expected an ensemble of a cross-validation, whose picks can be looked at")
    exports, extents = {}, {}
    if arguments.to:
        dataset = open_data(run, None)
        exports, extents = _exports(arguments, run, dataset), dataset.extents(run.record.held_out)
    reviews = review_labels(run.truth(), held_out_layer(layers).fused, run.particles)
    path = (arguments.out or run.path) / "review.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        listed(reviews).to_csv(temporary, index=False, lineterminator="\n")
    console().print(review_table(reviews, simulated=run.record.simulated))
    console().print(EXPLAINED)
    console().print(f"written: {path}", soft_wrap=True)
    for finding, export in exports.items():
        picks = pd.concat([getattr(own, finding) for own in reviews], ignore_index=True)
        target = export.target
        count = target.write(
            picks.rename(columns={"probability": "score"}),
            extents=extents,
            species=export.species,
            provenance=export.provenance,
        )
        console().print(f"{count} copick pick sets of user {target.user}, session {target.session}", soft_wrap=True)


def listed(reviews: Sequence[LabelReview]) -> pd.DataFrame:
    """Return the list: ``finding`` and the columns of `ensemble.labels`, a species after the other."""
    tables = [getattr(own, name).assign(finding=name) for own in reviews for name in FINDINGS]
    return pd.concat(tables, ignore_index=True)[["finding", *COLUMNS]]


def review_table(reviews: Sequence[LabelReview], *, simulated: bool) -> Table:
    """Return what is said of each species."""
    columns = ("picks", "share picked", "missing", "listed", "doubtful", "swapped", "perfect F4")
    title = "What the picks miss, as far as the networks can tell" + (" (simulated data)" if simulated else "")
    table = empty_table(title, "species", columns)
    for own in reviews:
        lost = own.missing["probability"]
        table.add_row(
            own.particle_type,
            str(own.picks),
            f"{own.picked:.2f}",
            f"{lost.sum():.0f}",
            str(len(lost)),
            str(len(own.doubtful)),
            str(int((own.doubtful["instead"] != "").sum())),
            f"{own.most:.3f}",
        )
    return table


def _exports(arguments: argparse.Namespace, run: RunDirectory, dataset: Dataset) -> dict[str, Exports]:
    """Return what writes each finding into the copick project, checked."""
    exports = {
        name: Exports((arguments.to,), run, dataset, arguments.user, name, arguments.overwrite) for name in FINDINGS
    }
    for export in exports.values():
        export.target.options = "--user"  # sessions are the findings
        export.check(run.record.held_out, run.path)
    return exports
