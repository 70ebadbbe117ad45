"""Folds: which runs are held out and which ones train, read from a YAML file and checked."""

from __future__ import annotations

import argparse
import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tomograms.dataset import open_dataset
from tomograms.errors import InputError, run_command
from tomograms.files import write_text
from tomograms.options import CHOICES, add_choice, chosen
from tomograms.program import command_line, program

LONGEST_NAME = 100
"""Characters of a fold's name, which is also a folder's; in bytes twice as many, for letters may have four."""

WHOSE = "a program's picks count only where --user names it, and those that lie elsewhere than MRC files with --picks"
"""What makes picks truth, for messages."""


@dataclass(frozen=True)
class Fold:
    """One split of the runs.

    Attributes
    ----------
    held_out
        Names of the runs that are predicted and scored, and that nothing of this fold is fitted to.
    train
        Names of the runs that train; disjoint from ``held_out``.
    """

    held_out: tuple[str, ...]
    train: tuple[str, ...]

    @property
    def name(self) -> str:
        """The fold's name: its held-out runs, or the first, how many more, and a hash where that is too long."""
        name = "+".join(self.held_out)
        if len(name) <= LONGEST_NAME and len(name.encode()) <= 2 * LONGEST_NAME:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        first = self.held_out[0][: LONGEST_NAME - 20].encode()[: 2 * LONGEST_NAME - 40].decode(errors="ignore")
        return f"{first}+{len(self.held_out) - 1}-{digest}"

    @classmethod
    def from_record(cls, record: Mapping[str, Sequence[str]]) -> Fold:
        """Return the fold of a mapping with the keys ``held_out`` and ``train``, as JSON and YAML hold it."""
        return cls(tuple(record["held_out"]), tuple(record["train"]))

    def to_record(self) -> dict[str, list[str]]:
        """Return what `from_record` reads."""
        return {"held_out": list(self.held_out), "train": list(self.train)}


def built_in_file() -> Path:
    """Return the path of the project's own ``cv_folds.yaml``, beside the packages in a checkout and in a wheel."""
    return Path(__file__).resolve().parents[1] / "cv_folds.yaml"


def load_folds(data_runs: Iterable[str], fold_file: Path | None = None) -> tuple[Fold, ...]:
    """Return the folds for a data set.

    A fold file maps section names to lists of ``{held_out: [...], train: [...]}``. The first section that shares a run
    with the data is used.

    Parameters
    ----------
    data_runs
        Names of the data's annotated runs.
    fold_file
        YAML file; ``None`` for the built-in one (Kaggle's seven runs, and the phantom's).

    Raises
    ------
    InputError
        If the file is missing or damaged, breaks a rule of `check_section`, or names a run that the data lack.
    """
    path = built_in_file() if fold_file is None else fold_file
    sections = _read(path)
    runs = sorted(set(data_runs))
    folds = {name: check_section(section, f"{path}: {name}") for name, section in sections.items()}
    for section in folds.values():
        named = {run for fold in section for run in (*fold.held_out, *fold.train)}
        if not named & set(runs):
            continue
        missing = sorted(named - set(runs))
        if missing:
            raise InputError(
                f"{path}: expected runs of the data, but got {', '.join(missing)}; "
                f"the data's runs are {', '.join(runs)}"
            )
        return section
    raise InputError(
        f"{path}: expected a section with runs of the data ({', '.join(runs) or 'none'}), but got none; "
        "give their folds with --fold-file, which python -m evaluation.folds writes"
    )


def check_section(section: Any, where: str) -> tuple[Fold, ...]:
    """Return the folds of one section of a fold file.

    Parameters
    ----------
    section
        What the YAML file holds: a list of mappings with the keys ``held_out`` and ``train``, each a list of names.
    where
        File and section, for messages.

    Raises
    ------
    InputError
        If it has another form, has fewer than two folds (thresholds for one fold are fitted on the others), trains on a
        run that it holds out, holds a run out twice, or has two folds of one name, which is that of their folder.
    """
    if not isinstance(section, list) or len(section) < 2:
        raise InputError(f"{where}: expected a list of at least two folds, but got {_shown(section)}")
    folds: list[Fold] = []
    seen: set[str] = set()
    for number, entry in enumerate(section, start=1):
        fold = _fold(entry, f"{where}: fold {number}")
        leaked = [run for run in fold.held_out if run in fold.train]
        if leaked:
            raise InputError(f"{where}: fold {number} trains on the run that it holds out: {', '.join(leaked)}")
        again = [run for run in fold.held_out if run in seen]
        if again:
            raise InputError(f"{where}: expected each run to be held out once, but fold {number} repeats {again[0]}")
        namesake = [place for place, other in enumerate(folds, start=1) if other.name == fold.name]
        if namesake:
            raise InputError(
                f"{where}: expected folds of distinct names, but folds {namesake[0]} and {number} are {fold.name}"
            )
        seen.update(fold.held_out)
        folds.append(fold)
    return tuple(folds)


def group_folds(runs: Iterable[str], groups: int | None = None) -> tuple[Fold, ...]:
    """Return folds that hold out each run once.

    Parameters
    ----------
    runs
        Names.
    groups
        How many folds. Neighbours in the sorted list stay together: they often come from one grid, and a model that
        has seen one of them has half seen the others. ``None`` is one run a fold.

    Raises
    ------
    InputError
        If there are fewer than two groups, or fewer runs than groups.
    """
    ordered = sorted(set(runs))
    count = len(ordered) if groups is None else groups
    if not 2 <= count <= len(ordered):
        raise InputError(f"--groups: expected 2 to {len(ordered)} groups, one for each run at most, but got {count}")
    edges = [len(ordered) * i // count for i in range(count + 1)]
    parts = [ordered[low:high] for low, high in itertools.pairwise(edges)]
    return tuple(Fold(tuple(part), tuple(run for run in ordered if run not in part)) for part in parts)


def write_folds(path: Path, name: str, folds: Iterable[Fold]) -> None:
    """Write a fold file with one section, atomically; `load_folds` reads it."""
    section = [fold.to_record() for fold in folds]
    write_text(path, yaml.safe_dump({name: section}, sort_keys=False, default_flow_style=None, width=120))


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog=program("evaluation.folds"),
        description="Write a fold file for a data set's annotated runs: each run is held out once.",
    )
    options.add_argument("data", type=Path, help="Kaggle tree, copick config or folder of MRC files")
    options.add_argument("--groups", type=int, help="hold out this many groups of runs (default: one run at a time)")
    options.add_argument("--out", type=Path, default=Path("cv_folds.yaml"), help="default: cv_folds.yaml")
    add_choice(options)
    options.add_argument("--overwrite", action="store_true", help="replace the file if there is one")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Write the folds of a data set."""
    arguments = parser().parse_args(argv)
    from evaluation.inspection import find_annotated  # after parsing, so that --help is fast

    if arguments.out.exists() and not arguments.overwrite:
        raise InputError(f"{arguments.out}: expected no such file yet; name another with --out, or give --overwrite")
    dataset = open_dataset(arguments.data, **chosen(arguments))
    runs = find_annotated(dataset)
    if len(runs) < 2:
        found = ", ".join(runs) or "none"
        raise InputError(f"{arguments.data}: expected at least two annotated runs, but got {found} ({WHOSE})")
    folds = group_folds(runs, arguments.groups)
    write_folds(arguments.out, arguments.data.resolve().stem, folds)
    print(f"{arguments.out}: {len(folds)} folds of {len(runs)} runs")
    asked = {"--data": arguments.data, "--fold-file": arguments.out}
    asked |= {f"--{name.replace('_', '-')}": getattr(arguments, name) for name in CHOICES}
    print(f"next: {command_line('evaluation.cv', options=asked.items())}")


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, which takes the last of two equal keys in silence; this one refuses them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.YAMLError(
                    f"expected each key once, but {name} occurs twice, in line {key.start_mark.line + 1}"
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> dict[str, Any]:
    """Return the sections of a fold file."""
    try:
        sections = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # of values: a date that there is not
        raise InputError(f"{path}: expected a YAML file of folds, but it cannot be read ({error})") from None
    if not isinstance(sections, dict) or not sections:
        raise InputError(f"{path}: expected sections with lists of folds, but got {_shown(sections)}")
    return {str(name): section for name, section in sections.items()}


def _fold(entry: Any, where: str) -> Fold:
    """Return one fold, its form checked."""
    if not isinstance(entry, dict) or set(entry) != {"held_out", "train"}:
        raise InputError(f"{where}: expected the keys held_out and train, but got {_shown(entry)}")
    return Fold(_names(entry["held_out"], f"{where}: held_out"), _names(entry["train"], f"{where}: train"))


def _names(value: Any, where: str) -> tuple[str, ...]:
    """Return a list of run names, its form checked."""
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: expected a list of run names, but got {_shown(value)}")
    for name in value:
        if not isinstance(name, str) or not name:
            raise InputError(f"{where}: expected names in quotes where YAML reads a number, but got {_shown(name)}")
    if len(set(value)) < len(value):
        raise InputError(f"{where}: expected distinct names, but got {', '.join(value)}")
    return tuple(value)


def _shown(value: Any) -> str:
    """Return a short form of any value, for messages."""
    if isinstance(value, dict):
        return f"a mapping with the keys {', '.join(map(str, value)) or 'none'}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


if __name__ == "__main__":
    run_command(main)
