"""``python -m tests.panel``: fusion and thresholds judged on unlike simulated data sets, in a minute.

The candidates of two members on eight data sets are kept in ``tests/panel/candidates``; ``make`` makes them anew, in
one to two hours on two cores with bf16. ``report`` builds the ensemble of each set and prints the nested scores.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tests.panel.conditions import PANEL
from tomograms.errors import run_command

KEPT = Path(__file__).parent / "candidates"


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog="python -m tests.panel", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("action", choices=("make", "report"))
    options.add_argument("--sets", nargs="+", choices=PANEL, default=list(PANEL), metavar="SET", help=", ".join(PANEL))
    options.add_argument("--candidates", type=Path, default=KEPT, help="folder of what is kept")
    options.add_argument("--maps", type=Path, help="folder of MRC maps, one per species, for half of the sets")
    options.add_argument("--init", default="pretrained", help="weights that the members start from")
    options.add_argument("--scratch", type=Path, default=Path("panel"), help="folder of data sets and runs")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser().parse_args(argv)
    if arguments.action == "make":
        from tests.panel.making import make_panel

        make_panel(
            arguments.sets, arguments.candidates, maps=arguments.maps, init=arguments.init, scratch=arguments.scratch
        )
    else:
        from tests.panel.reporting import report_panel

        report_panel(arguments.sets, arguments.candidates)
    return 0


if __name__ == "__main__":
    run_command(main)
