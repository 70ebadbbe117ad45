"""The one error that means "your input", and the way a command reports it."""

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence


class InputError(ValueError):
    """A user's mistake or a damaged file.

    The message is one line that names the file (or option), the offending value and the rule.
    """


class NoTomogramError(InputError):
    """A run has no tomogram of the type and voxel spacing that were asked for."""


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
    os.environ["MPLBACKEND"] = "agg"  # no command shows a window, and a notebook hands its own backend down
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a batch job's output may be ASCII, which has no Å
    try:
        code = main(argv) or 0
    except InputError as error:
        code = fail(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        code = fail(f"cannot read or write {error.filename or 'a file'}: {error.strerror}; what was finished is kept")
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def fail(message: str) -> int:
    """Print ``message`` as one line on standard error; return the exit code 2."""
    line = "error: " + " ".join(message.split())
    print(
        line.encode(sys.stderr.encoding or "ascii", "replace").decode(sys.stderr.encoding or "ascii"), file=sys.stderr
    )
    return 2
