"""Names in STAR files and of files: what other programs call a tomogram, which names need quotes, which are refused.

A STAR file's words are split at blanks, and quotes hold a word with blanks together. The rules are those that two
readers share: RELION makes one blank of several and drops control characters; the starfile package takes ``'`` for
``"``, and ``nan``, ``NaN`` and ``<NA>`` for a missing value, quoted or not.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tomograms.errors import InputError

RESERVED = re.compile(r"[_;$\[\]]|(data|loop|save|global|stop)_", re.IGNORECASE)
"""How a word without quotes must not begin."""
MISSING = ("nan", "NaN", "<NA>")
LONGEST = 200
"""Bytes of a name that becomes a file's, which an ending and a temporary name make longer: Linux allows 255."""


@dataclass(frozen=True)
class Naming:
    """What is put around a tomogram's name where another program knows it by a longer one."""

    prefix: str = ""
    suffix: str = ""

    def __call__(self, tomogram: str) -> str:
        """Return the name in the other program."""
        return f"{self.prefix}{tomogram}{self.suffix}"


AS_IS = Naming()
"""Other programs know the tomograms by the same names."""


def needs_quotes(word: str) -> bool:
    """Return whether a STAR file can hold a word only in quotes."""
    return " " in word or "#" in word or RESERVED.match(word) is not None


def check_words(words: Iterable[str], what: str, *, option: str) -> None:
    """Refuse words that a STAR file cannot hold so that every reader reads them back as they are.

    Parameters
    ----------
    words
        As they will be written, without quotes.
    what
        What they are, in the plural.
    option
        Who wants them written, for messages.

    Raises
    ------
    InputError
        For a word that is empty or missing (`MISSING`), holds quotes, characters that cannot be printed or two spaces
        in a row.
    """
    for word in words:
        if not word or word in MISSING or not word.isprintable() or re.search("['\"]|  ", word):
            raise InputError(
                f"{option}: expected {what} that a STAR file can hold (printable, without quotes and double spaces, "
                f"not empty, {', '.join(MISSING[:-1])} or {MISSING[-1]}), but got {word!r}"
            )


def check_file_names(names: Iterable[str], what: str, *, option: str) -> None:
    """Refuse names that cannot be a file's, or that would lead out of its folder.

    Parameters
    ----------
    names
        Without folder and ending.
    what, option
        As for `check_words`.

    Raises
    ------
    InputError
        For a name that is empty or too long, consists of dots, holds a slash or characters that cannot be printed.
    """
    for name in names:
        if not name.strip(".") or "/" in name or not name.isprintable() or len(name.encode()) > LONGEST:
            raise InputError(
                f"{option}: expected {what} that can be a file's name (printable, without slashes, of 1 to {LONGEST} "
                f"bytes, not only dots), but got {name!r}"
            )
