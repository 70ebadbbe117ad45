"""``cryoet-picks COMMAND``: every command of this project under one name, each a word for its module."""

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module, metadata
from pathlib import Path

from tomograms.errors import InputError, run_command
from tomograms.program import called

NAME = "cryoet-picks"
WORDS = {
    "pick": ("submissions.pick", "find particles with the shipped weights, without any training"),
    "doctor": ("submissions.doctor", "say whether this machine is fit, and what to do if not"),
    "cv": ("evaluation.cv", "train and cross-validate members on your picks"),
    "build": ("ensemble.build", "tune and score the ensemble of a cross-validation"),
    "submit": ("submissions.make", "predict new tomograms with an ensemble and write a submission"),
    "report": ("submissions.report.__main__", "show what a run found, where it fails and what it cost, on one page"),
    "review": ("submissions.review", "list picks of your own that are likely missing or wrong"),
    "pictures": ("submissions.pictures", "draw tomograms with what was found there"),
    "check": ("submissions.check", "check a submission line by line"),
    "kaggle": ("submissions.kaggle.__main__", "pack an ensemble for Kaggle"),
    "runs": ("evaluation.runs", "list, compare and average runs"),
    "folds": ("evaluation.folds", "write a fold file for your data"),
    "split": ("tomograms.split", "cut your only annotated tomogram into regions that can be held out"),
    "metric": ("evaluation.metric", "score picks as the competition does"),
    "pretrain": ("models.pretrain", "train weights to start from, on simulated tomograms"),
    "simulate": ("tomograms.simulator.tree", "write simulated tomograms with their truth"),
    "calibrate": ("submissions.calibrate", "learn anew what the scores of shipped weights are worth"),
}
"""Each command's module, which has the functions ``parser()`` and ``main(argv)``, and its line in the help."""
SHELLS = ("bash", "zsh", "fish")


def parser(known: Mapping[str, argparse.ArgumentParser] | None = None) -> argparse.ArgumentParser:
    """Return the options that stand before a command, and the commands, with the options of those that are given."""
    options = argparse.ArgumentParser(
        prog=NAME,
        description="From cryo-ET tomograms to scored particle picks.",
        epilog=f"{NAME} COMMAND --help tells the options of a command.",
    )
    options.add_argument("--version", action="version", version=f"{NAME} {_version()}")
    options.add_argument("--print-completion", choices=SHELLS, help="print what completes this command in a shell")
    commands = options.add_subparsers(title="commands", metavar="COMMAND")
    for word, (_, line) in WORDS.items():
        own = [known[word]] if known and word in known else []
        commands.add_parser(word, help=line, parents=own, add_help=False)
    return options


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run the command that the first word names."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in WORDS:
        return run_word(words[0], words[1:], name=f"{NAME} {words[0]}")
    if words and not words[0].startswith("-"):
        near = difflib.get_close_matches(words[0], WORDS, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"{NAME}: expected a command ({', '.join(WORDS)}), but got {words[0]!r}{hint}")
    options = parser()
    shell = options.parse_args(words).print_completion
    print(options.format_help().rstrip() if shell is None else completion(shell))
    return None


def run_word(word: str, argv: Sequence[str], *, name: str) -> int | None:
    """Run a command under a name, which its usage line tells; return its exit code."""
    with called(name):
        return import_module(WORDS[word][0]).main(argv)


def completion(shell: str) -> str:
    """Return a script that completes commands, options, their choices and files in a shell."""
    import shtab  # only here, so that --help is fast

    known = {word: import_module(module).parser() for word, (module, _) in WORDS.items()}
    for action in (action for command in known.values() for action in command._actions):
        if action.type is Path:
            action.complete = shtab.FILE
    return shtab.complete(parser(known), shell)


def console() -> None:
    """Run as the installed command."""
    run_command(main)


def _version() -> str:
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    console()
