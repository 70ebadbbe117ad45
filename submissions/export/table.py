"""Picks with scores as CSV: ``runs/NAME/exports/picks.csv``."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from submissions.export.provenance import Provenance
from submissions.export.submission import Extent
from tomograms.files import replacing
from tomograms.picks import TRUTH_COLUMNS


def write_csv(
    folder: Path, tables: Iterable[pd.DataFrame], *, extents: Mapping[str, Extent], provenance: Provenance
) -> Path:
    """Write all picks as ``picks.csv``, atomically; return the file.

    Columns: ``experiment, particle_type, x, y, z`` (Å), ``score``, ``voxel_size`` (Å), and those of `Provenance`.

    Parameters
    ----------
    folder
        Made if it is missing.
    tables
        Clipped candidates (`submissions.export.submission.clip`), one table after the other.
    extents
        By experiment.
    provenance
        The same for all rows.
    """
    path, origin = folder / "picks.csv", asdict(provenance)
    columns = [*TRUTH_COLUMNS, "score"]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join([*columns, "voxel_size", *origin]) + "\n")
        for picks in tables:
            voxel_size = [extents[name].voxel_size for name in picks["experiment"]]
            table = picks[columns].assign(voxel_size=voxel_size, **origin)
            table.to_csv(file, index=False, header=False, lineterminator="\n")
    return path
