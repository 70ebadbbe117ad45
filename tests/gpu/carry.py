"""``python -m tests.gpu.carry``: download the wheels that a machine without network lacks to run the check."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement

from submissions.kaggle.packages import download_wheels, lacking, project_metadata, read_image
from tomograms.errors import run_command

NOT_NEEDED = frozenset(("copick", "nbformat", "starfile"))
"""Requirements of the project that no stage imports."""


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.gpu.carry", description=__doc__.partition(":")[2])
    options.add_argument("image", type=Path, help="what that machine has: its pip freeze")
    options.add_argument("--python", default="3.12", help="its version of Python (default: 3.12)")
    options.add_argument("--out", type=Path, default=Path("gpu-wheels"), help="folder (default: gpu-wheels)")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    asked = parser().parse_args(argv)
    needed = [text for text in project_metadata().requirements if Requirement(text).name not in NOT_NEEDED]
    missing = lacking(needed, read_image(asked.image))
    download_wheels(missing, asked.out, pythons=[asked.python])
    size = sum(path.stat().st_size for path in asked.out.glob("*.whl")) / 1e6
    print(f"{asked.out}: {len(missing)} packages, {size:.0f} MB: {', '.join(f'{n}=={v}' for n, v in missing.items())}")


if __name__ == "__main__":
    run_command(main)
