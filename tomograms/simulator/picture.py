"""``python -m tomograms.simulator.picture OUT.png``: slices of a simulated tomogram with its truth drawn on."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tomograms.errors import run_command
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("tomograms.simulator.picture"),
        description="Draw slices of one simulated tomogram, on the right with the true particles.",
    )
    options.add_argument("path", type=Path, help="PNG file to write")
    options.add_argument("--shape", type=int, nargs=3, default=(128, 320, 320), metavar=("Z", "Y", "X"), help="voxels")
    options.add_argument("--crowding", type=float, default=4.0, metavar="F", help="factor on the numbers of particles")
    options.add_argument("--seed", type=int, default=0, help="another one makes another tomogram (default 0)")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = parser().parse_args(argv)
    from tomograms.simulator.drawing import draw_simulated  # after parsing, so that --help is fast

    draw_simulated(options)


if __name__ == "__main__":
    run_command(main)
