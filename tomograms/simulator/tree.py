"""``python -m tomograms.simulator.tree``: a simulated data set, written as a Kaggle tree."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tomograms.errors import run_command
from tomograms.program import program
from tomograms.simulator.settings import REFERENCE_SHAPE, REFERENCE_VOXEL_SIZE


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("tomograms.simulator.tree"),
        description="Write simulated tomograms of the competition's six species as a Kaggle tree, with the truth.",
    )
    options.add_argument("root", type=Path, help="folder to write")
    options.add_argument("--train", type=int, default=7, metavar="N", help="training runs (default 7)")
    options.add_argument("--test", type=int, default=2, metavar="N", help="test runs (default 2)")
    options.add_argument("--shape", type=int, nargs=3, default=REFERENCE_SHAPE, metavar=("Z", "Y", "X"), help="voxels")
    options.add_argument(
        "--voxel-size", type=float, default=REFERENCE_VOXEL_SIZE, metavar="Å", help=f"default {REFERENCE_VOXEL_SIZE:g}"
    )
    options.add_argument("--crowding", type=float, default=1.0, metavar="F", help="factor on the numbers of particles")
    options.add_argument(
        "--mixed", action="store_true", help="all species, a few, one or none, in any density, clean or contaminated"
    )
    options.add_argument("--maps", type=Path, help="folder of MRC maps or PDB/mmCIF models, one per species")
    options.add_argument("--seed", type=int, default=0, help="another one makes other tomograms (default 0)")
    options.add_argument("--device", default="cpu", help="cpu (default) or cuda[:N]")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = parser().parse_args(argv)
    from tomograms.simulator.writing import write_simulated  # after parsing, so that --help is fast

    write_simulated(options)


if __name__ == "__main__":
    run_command(main)
