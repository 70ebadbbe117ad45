"""The one error that means "your input", and the way a command reports it."""

import errno
import sys
from collections.abc import Callable, Sequence


class InputError(ValueError):
    """A user's mistake or a damaged file.

    The message is one line that names the file (or option), the offending value and the rule.
    """


def run_command(main: Callable[[Sequence[str] | None], int | None], argv: Sequence[str] | None = None) -> None:
    """Run a command's ``main`` and exit with its code.

    An `InputError`, or a disk that is full or not writable, becomes one line on standard error and exit code 2, without
    a traceback. Ctrl-C exits with 130.

    Parameters
    ----------
    main
        Takes the argument list (``None``: ``sys.argv``) and returns an exit code, ``None`` for 0.
    argv
        Passed on to ``main``.
    """
    try:
        code = main(argv) or 0
    except InputError as error:
        code = fail(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        code = fail(f"cannot write {error.filename or 'a file'}: {error.strerror}; what was finished is kept")
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def fail(message: str) -> int:
    """Print ``message`` as one line on standard error; return the exit code 2."""
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return 2
