"""What a command is called in its usage line: a module of Python's, or a word of another program."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
