"""Picks with scores as CSV: ``runs/NAME/exports/picks.csv``."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from submissions.export.provenance import Provenance
from submissions.export.submission import Extent
from tomograms.files import replacing
from tomograms.picks import TRUTH_COLUMNS


def write_csv(folder: Path, picks: pd.DataFrame, *, extents: Mapping[str, Extent], provenance: Provenance) -> Path:
    """Write all picks as ``picks.csv``, atomically; return the file.

    Columns: ``experiment, particle_type, x, y, z`` (Å), ``score``, ``voxel_size`` (Å), and those of `Provenance`.

    Parameters
    ----------
    folder
        Made if it is missing.
    picks
        Clipped candidates (`submissions.export.submission.clip`).
    extents
        By experiment.
    provenance
        The same for all rows.
    """
    table = picks[[*TRUTH_COLUMNS, "score"]].copy()
    table["voxel_size"] = [extents[name].voxel_size for name in table["experiment"]]
    path = folder / "picks.csv"
    with replacing(path) as temporary:
        table.assign(**asdict(provenance)).to_csv(temporary, index=False, lineterminator="\n")
    return path
