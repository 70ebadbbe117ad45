"""What a stage reports: times, limits on them, and checks that both ways did the same work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tests.benchmark.measure import Timing

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Limit:
    """A figure and what it must not exceed, or must reach.

    Attributes
    ----------
    name
        What is measured, with its unit.
    value, bound
        The figure and its limit.
    at_least
        Whether the limit is a lower one.
    """

    name: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def held(self) -> bool:
        """Whether the figure keeps the limit."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        """Return name, value and limit in a line."""
        return f"{self.name}: {self.value:.4g} ({'>=' if self.at_least else '<='} {self.bound:g})"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    stage, work
        Which stage, and what both ways did.
    ours, peer
        Time of our way and of the peer's; ``peer`` is None where there is none.
    peer_name
        Whose way it is.
    floors
        Limits that depend on the machine: times, ratios, memory.
    checks
        Limits that do not: that both ways give the same result.
    notes
        Further figures.
    """

    stage: str
    work: str
    ours: Timing
    peer: Timing | None = None
    peer_name: str = ""
    floors: tuple[Limit, ...] = ()
    checks: tuple[Limit, ...] = ()
    notes: Mapping[str, Any] | None = None

    @property
    def met(self) -> bool:
        """Whether every floor and every check holds."""
        return all(limit.held for limit in (*self.floors, *self.checks))

    def record(self) -> dict[str, Any]:
        """Return the row for JSON."""
        limits = {
            kind: [{**asdict(limit), "held": limit.held} for limit in getattr(self, kind)]
            for kind in ("floors", "checks")
        }
        return {
            "stage": self.stage,
            "work": self.work,
            "ours": asdict(self.ours),
            "peer": None if self.peer is None else asdict(self.peer),
            "peer_name": self.peer_name,
            "ratio": None if self.peer is None else self.peer.wall / self.ours.wall,
            "cpu_ratio": None if self.peer is None or not self.ours.cpu else self.peer.cpu / self.ours.cpu,
            **limits,
            "notes": dict(self.notes or {}),
            "met": self.met,
        }


def table(rows: Sequence[Row], title: str, instructions: str) -> Table:
    """Return the rows as a table for the terminal, with what the processor computed with beside each time."""
    from rich.table import Table

    out = Table(title=title, show_lines=True)
    for name in ("stage", "ours", "peer's way", "ratio", "ratio (CPU time)", "floors and checks", "met"):
        out.add_column(name, justify="right" if name.startswith(("ours", "ratio")) else "left")
    for row in rows:
        record = row.record()
        peer = "" if row.peer is None else f"{row.peer_name}: {seconds(row.peer.wall)}"
        limits = "\n".join(f"{'' if limit.held else '! '}{limit}" for limit in (*row.floors, *row.checks))
        ratios = ["" if record[key] is None else f"{record[key]:.2f}" for key in ("ratio", "cpu_ratio")]
        met = "yes" if row.met else "no"
        ours = f"{seconds(row.ours.wall)}\n{instructions}"
        out.add_row(f"{row.stage}\n{row.work}", ours, peer, *ratios, limits, met)
    return out


def seconds(value: float) -> str:
    """Return a time in s or ms."""
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.2f} ms"
