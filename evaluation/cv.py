"""``python -m evaluation.cv``: train every fold and member, predict the held-out tomograms, report honestly."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from compute.cluster_options import add_cluster
from evaluation.options import DEFAULT_MEMBERS, DEFAULT_SEED, add_mask, add_run
from models.settings import PRESETS
from tomograms.errors import run_command
from tomograms.options import Several, add_choice
from tomograms.program import program


def parser() -> argparse.ArgumentParser:
    """Return the command's options; what is not given is taken from the run, if it exists, or from the defaults."""
    options = argparse.ArgumentParser(
        prog=program("evaluation.cv"),
        description="Cross-validate: train each member on each fold, predict the held-out tomogram, report the nested "
        "score. A run that was cut off goes on where it stood.",
        epilog="Exit code 3, with --on: a job did not finish; what was finished is kept.",
    )
    options.add_argument(
        "--data", type=Path, help="Kaggle tree, copick config or folder of MRC files (default: the simulated phantom)"
    )
    add_run(options, "DATA-PRESET")
    options.add_argument("--members", nargs="+", action=Several, help="default: " + " ".join(DEFAULT_MEMBERS))
    options.add_argument(
        "--preset",
        choices=PRESETS,
        help="recipe: minutes on two cores (demo, the "
        "default), 4 to 6 minutes a fold and member (short), or a GPU's (full)",
    )
    options.add_argument(
        "--set",
        dest="overrides",
        action="append",
        metavar="MEMBER.NAME=VALUE",
        help="change a value of the preset, e.g. unet.steps=300; may be repeated",
    )
    options.add_argument(
        "--init",
        metavar="pretrained|scratch|PATH",
        help="what members start from: the shipped weights (default), nothing, or a folder of models.pretrain; "
        "short for --set MEMBER.init=...",
    )
    options.add_argument(
        "--seeds", nargs="+", action=Several, type=int, help=f"train each fold once per seed (default: {DEFAULT_SEED})"
    )
    options.add_argument("--fold-file", type=Path, help="folds as YAML (default: the built-in cv_folds.yaml)")
    options.add_argument(
        "--folds", nargs="+", action=Several, metavar="RUN", help="only the folds that hold out these runs"
    )
    add_choice(options)
    add_mask(options, "none")
    options.add_argument(
        "--voxel-size",
        type=float,
        metavar="Å",
        help="bring every tomogram to this voxel size (default: as they are; then all must have the same)",
    )
    options.add_argument(
        "--extra-tomo-types",
        nargs="+",
        action=Several,
        metavar="TYPE",
        help="further tomogram types of the training runs, e.g. wbp isonetcorrected: each is one more training "
        "tomogram with the same picks; held-out runs are predicted in the main type",
    )
    options.add_argument(
        "--device",
        nargs="+",
        action=Several,
        default=["auto"],
        help="auto, cpu or cuda[:N]; each that is named trains one fold at a time (default: auto: every GPU, or the "
        "CPU twice, with half of its threads each); with --on that of every job",
    )
    add_cluster(options, "each training")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser().parse_args(argv)
    from evaluation.cross_validation import cross_validate  # after parsing, so that --help is fast

    return cross_validate(arguments)


if __name__ == "__main__":
    run_command(main)
