"""The panel's data sets made, members trained on them, and their out-of-fold candidates kept."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ensemble.records import gather
from evaluation.cv import main as cross_validate
from evaluation.run_directory import open_run
from postproc.candidates import write_candidates
from tests.panel.conditions import PANEL, RUNS, SHAPE, PanelSet
from tomograms.errors import InputError
from tomograms.files import replacing
from tomograms.particles import CZII
from tomograms.simulator.densities import Species
from tomograms.simulator.library import varied_species
from tomograms.simulator.maps import read_species
from tomograms.simulator.writing import write_tree

BUDGET = ("--preset", "short", "--set", "unet.steps=67", "--set", "yolo.epochs=2")
"""A third of what was once the full budget: the members are far from done, as in a trial run."""


def make_panel(names: Sequence[str], out: Path, *, maps: Path | None, init: str, scratch: Path) -> None:
    """Make what is missing of these sets: ``out/NAME.csv`` (truth) and ``out/NAME.parquet`` (candidates).

    Raises
    ------
    InputError
        If a set shows measured densities and ``maps`` is missing.
    """
    for name in names:
        if PANEL[name].measured and maps is None:
            raise InputError(f"--maps: expected a folder of densities, which the set {name!r} shows")
    for name in names:
        if not (out / f"{name}.parquet").exists():
            _make(name, PANEL[name], out, maps=maps, init=init, scratch=scratch / name)


def _make(name: str, chosen: PanelSet, out: Path, *, maps: Path | None, init: str, scratch: Path) -> None:
    data = scratch / "data"
    if not (scratch / "made").exists():
        shutil.rmtree(data, ignore_errors=True)
        species = _species(chosen, maps)
        write_tree(data, chosen.settings, chosen.seed, SHAPE, runs={"train": RUNS}, species=species, description=name)
        (scratch / "made").touch()
    cross_validate(["--data", str(data), "--runs", str(scratch), "--run", "run", "--init", init, *BUDGET])
    run = open_run(scratch / "run")
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / f"{name}.csv") as temporary:
        run.truth().round(1).to_csv(temporary, index=False)
    write_candidates(out / f"{name}.parquet", small(gather(run, ())))


def _species(chosen: PanelSet, maps: Path | None) -> Sequence[Species]:
    if chosen.measured:
        assert maps is not None
        return read_species(maps, CZII, chosen.settings.voxel_size)
    return varied_species(CZII, chosen.settings.voxel_size, np.random.default_rng(chosen.seed))


def small(table: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates at the precision that they are kept at: 0.1 Å, and scores as float32."""
    return table.assign(
        **{axis: table[axis].round(1).astype(np.float32) for axis in "xyz"}, score=table["score"].astype(np.float32)
    )
