"""What a command is called, in its usage line and in the lines that are to be pasted into a shell."""

import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_called: ContextVar[str | None] = ContextVar("called", default=None)


def program(module: str) -> str:
    """Return what to call the command that lies in ``module``: ``python -m MODULE``, unless `called` says otherwise."""
    return _called.get() or f"python -m {module}"


@contextmanager
def called(name: str) -> Iterator[None]:
    """Say that commands are run under another name, such as ``cryoet-picks cv``."""
    token = _called.set(name)
    try:
        yield
    finally:
        _called.reset(token)


def command_line(module: str, *paths: Path, options: Iterable[tuple[str, object]] = ()) -> str:
    """Return a command of this project as a shell takes it.

    Parameters
    ----------
    module
        The command's module.
    paths
        What is given without an option.
    options
        Options with their value or values; one without any (``None``, or none in a list) is left out. What begins with
        a dash is joined to its option, for it would be taken for one.
    """
    words = [path_word(path) for path in paths]
    for name, value in options:
        values = [str(v) for v in (value if isinstance(value, (list, tuple)) else [value]) if v is not None]
        plain = [text for text in values if not text.startswith("-")]
        words += [name, *plain] if plain else []
        words += [f"{name}={text}" for text in values if text.startswith("-")]
    return " ".join(["python", "-m", module, *map(quoted, words)])


def path_word(path: Path) -> str:
    """Return a path as a command's word; what begins with a dash would be taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def quoted(word: str) -> str:
    """Return a word as a shell takes it; bytes that cannot be printed stand in ``$'...'``, as bash and zsh have it."""
    if word.isprintable():
        return shlex.quote(word)
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in os.fsencode(word))
    return f"$'{''.join(plain)}'"
