"""What fusion and thresholds give on the panel's kept candidates."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.table import Table

from ensemble.comparison import TUNED, compare
from ensemble.tuning import Tuning
from evaluation.folds import Fold
from evaluation.nested import NestedResult
from evaluation.options import DEFAULT_SEED
from evaluation.report import empty_table
from tests.panel.conditions import PANEL
from tomograms.console import Progress, console
from tomograms.errors import InputError
from tomograms.particles import CZII

SHOWN = ("unet", "yolo", "equal weights", "no competition", TUNED)
TRIALS = 100


def report_panel(names: Sequence[str], kept: Path) -> None:
    """Print the nested score of members, two baselines and the ensemble on each set, and means over each half."""
    missing = [name for name in names if not (kept / f"{name}.parquet").exists()]
    if missing:
        raise InputError(f"{kept}: expected candidates of {', '.join(missing)}; make them with `make`")
    results = {}
    with Progress() as progress:
        task = progress.task("building ensembles", total=len(names))
        for done, name in enumerate(names, start=1):
            results[name] = build(*read_set(kept, name))
            task.update(done, note=name)
        task.finish()
    console().print(panel_table(results))


def read_set(kept: Path, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return truth and out-of-fold candidates of one set."""
    truth = pd.read_csv(kept / f"{name}.csv")
    candidates = pd.read_parquet(kept / f"{name}.parquet")
    return truth, candidates.astype(dict.fromkeys(("x", "y", "z", "score"), np.float64))


def build(truth: pd.DataFrame, candidates: pd.DataFrame) -> Mapping[str, NestedResult]:
    """Return the nested results that a build on these candidates prints."""
    runs = sorted(candidates["experiment"].unique())
    folds = [Fold((run,), tuple(other for other in runs if other != run)) for run in runs]
    comparison, _ = compare(truth, candidates, particles=CZII, folds=folds, tuning=Tuning(TRIALS, DEFAULT_SEED))
    return comparison.results


def panel_table(results: Mapping[str, Mapping[str, NestedResult]]) -> Table:
    """Return a row a set, the halves' means below."""
    columns = (*SHOWN, "minus unet", "optimum", "gap")
    table = empty_table("Panel: weighted F4, nested (simulated data)", "set", columns)
    rows = {}
    for name, found in results.items():
        total, best = found[TUNED].score.total, found["unet"].score.total
        values = [found[shown].score.total for shown in SHOWN]
        rows[name] = [*values, total - best, found[TUNED].optimum.total, found[TUNED].gap]
        table.add_row(name, *_figures(rows[name]))
    for half in ("choice", "report"):
        own = [row for name, row in rows.items() if PANEL[name].half == half]
        if own:
            table.add_section()
            table.add_row(f"{half}, mean of {len(own)}", *_figures(np.mean(own, axis=0)))
    return table


def _figures(values: Sequence[float] | np.ndarray) -> list[str]:
    return [f"{value:+.4f}" if number == len(SHOWN) else f"{value:.4f}" for number, value in enumerate(values)]
