"""What a probability is worth where a species is there with others, alone, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.table import Table

from ensemble.calibration import label_hits
from tomograms.particles import Particle

LEVEL = 0.5
"""The probability from which on a candidate is reported."""
WITH_OTHERS, ALONE, ABSENT = "with others", "alone", "absent"


@dataclass(frozen=True)
class Judged:
    """Fused candidates of tomograms that their ensemble was not fitted to, and what is there.

    Attributes
    ----------
    candidates
        ``experiment, particle_type, score`` (a probability) ``, hit`` (bool).
    true
        ``experiment, particle_type, count, presence``: a row for each tomogram and species.
    """

    candidates: pd.DataFrame
    true: pd.DataFrame

    @classmethod
    def of(
        cls,
        truth: pd.DataFrame,
        fused: pd.DataFrame,
        particles: Sequence[Particle],
        experiments: Collection[str],
    ) -> Judged:
        """Judge fused candidates.

        Parameters
        ----------
        truth
            ``experiment, particle_type, x, y, z`` (Å).
        fused
            All fused candidates, before any threshold, in the total order.
        particles
            Every species.
        experiments
            The tomograms, also those without a particle.
        """
        tables = []
        for particle in particles:
            rows = fused[fused["particle_type"] == particle.name].reset_index(drop=True)
            hit = label_hits(truth, rows, particle).label
            tables.append(rows[["experiment", "particle_type", "score"]].assign(hit=hit))
        counts = truth.groupby(["experiment", "particle_type"]).size().to_dict()
        total = truth.groupby("experiment").size().to_dict()
        records = []
        for experiment in experiments:
            for particle in particles:
                count = int(counts.get((experiment, particle.name), 0))
                others = int(total.get(experiment, 0)) - count
                presence = ABSENT if not count else WITH_OTHERS if others else ALONE
                records.append((experiment, particle.name, count, presence))
        columns = ["experiment", "particle_type", "count", "presence"]
        return cls(pd.concat(tables, ignore_index=True), pd.DataFrame(records, columns=columns))

    @classmethod
    def join(cls, parts: Iterable[Judged]) -> Judged:
        """Return the tomograms of all parts."""
        parts = list(parts)
        return cls(
            pd.concat([part.candidates for part in parts], ignore_index=True),
            pd.concat([part.true for part in parts], ignore_index=True),
        )

    def rows(self, level: float = LEVEL) -> list[dict[str, Any]]:
        """Return counts by species and presence: tomograms, true particles, and what is reported from ``level`` on.

        ``found`` are hits, ``false`` the other reported ones, ``expected`` the hits that the probabilities foretell.
        """
        kept = self.candidates[self.candidates["score"] >= level]
        kept = kept.merge(self.true[["experiment", "particle_type", "presence"]], on=["experiment", "particle_type"])
        rows = []
        for (name, presence), own in self.true.groupby(["particle_type", "presence"], sort=True):
            reported = kept[(kept["particle_type"] == name) & (kept["presence"] == presence)]
            rows.append(
                {
                    "particle_type": str(name),
                    "presence": str(presence),
                    "tomograms": len(own),
                    "true": int(own["count"].sum()),
                    "found": int(reported["hit"].sum()),
                    "false": int((~reported["hit"]).sum()),
                    "expected": round(float(reported["score"].sum()), 1),
                }
            )
        return rows


def presence_table(judged: Judged) -> Table:
    """Return what is reported from `LEVEL` on, by species and presence, as a rich table."""
    table = Table(title=f"Unseen tomograms: what is reported from probability {LEVEL:g} on", title_justify="left")
    for heading in ("species", "it is there"):
        table.add_column(heading)
    for heading in ("tomograms", "true", "found", "share", "false", "false a tomogram", "hits foretold"):
        table.add_column(heading, justify="right")
    for row in judged.rows():
        share = f"{row['found'] / row['true']:.2f}" if row["true"] else ""
        a_tomogram = f"{row['false'] / row['tomograms']:.2f}"
        numbers = (row["tomograms"], row["true"], row["found"], share, row["false"], a_tomogram, row["expected"])
        table.add_row(row["particle_type"], row["presence"], *map(str, numbers))
    return table
