"""Commands of this project as plug-ins of copick's: ``copick inference cryoet-pick``, and so on."""

from functools import partial

import click

from submissions.cli import WORDS, run_word
from tomograms.errors import run_command


def plugin(group: str, word: str) -> click.Command:
    """Return a command of this project as one of click's, which hands its arguments on as they are."""
    name = f"cryoet-{word}"

    def run(argv: tuple[str, ...]) -> None:
        run_command(partial(run_word, word, name=f"copick {group} {name}"), argv)

    return click.Command(
        name,
        callback=run,
        params=[click.Argument(["argv"], nargs=-1, type=click.UNPROCESSED)],
        short_help=WORDS[word][1].capitalize() + ".",
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
    )


pick = plugin("inference", "pick")
submit, pictures = plugin("inference", "submit"), plugin("inference", "pictures")
cv, build, pretrain, folds = (plugin("training", word) for word in ("cv", "build", "pretrain", "folds"))
metric, runs = plugin("evaluation", "metric"), plugin("evaluation", "runs")
