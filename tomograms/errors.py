"""The one error that means "your input", and the way a command reports it."""

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE)
"""What a system says of a disk that takes no more, or of files that are not the user's."""
PLACES = (
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.ENOENT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT),
)
"""What it says of a path that is something else, has gone, or lies on a disk that fails; with the path only."""
CLOSED = 141
"""Exit code where whoever read the output is gone, as a shell has it."""


SOME_FAILED = 3
"""Exit code when a part of the work failed and the rest is there."""


class InputError(ValueError):
    """A user's mistake or a damaged file.

    The message is one line that names the file (or option), the offending value and the rule.
    """


class NoTomogramError(InputError):
    """A run has no tomogram of the type and voxel spacing that were asked for."""


def run_command(main: Callable[[Sequence[str] | None], int | None], argv: Sequence[str] | None = None) -> None:
    """Run a command's ``main`` and exit with its code.

    An `InputError`, or a disk or path that cannot be read or written, becomes one line on standard error and exit code
    2, without a traceback. Ctrl-C exits with 130, and a closed output with 141.

    Parameters
    ----------
    main
        Takes the argument list (``None``: ``sys.argv``) and returns an exit code, ``None`` for 0.
    argv
        Passed on to ``main``.
    """
    os.environ["MPLBACKEND"] = "agg"  # no command shows a window, and a notebook hands its own backend down
    # Read when torch is imported. Else threads spin while they wait, and a training beside another is six times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a batch job's output may be ASCII, which has no Å
    try:
        code = main(argv) or 0
    except InputError as error:
        code = fail(str(error))
    except OSError as error:
        if error.errno == errno.EPIPE and _nobody_reads():
            sys.exit(CLOSED)
        if error.errno not in (FULL if error.filename is None else (*FULL, *PLACES)):
            raise
        where = error.filename or "a file"
        code = fail(f"cannot read or write {where}: {error.strerror or error}; what was finished is kept")
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _nowhere() -> TextIO:
    """Return what stands for an output that the caller has closed; the next file must not get its number."""
    return Path(os.devnull).open("w", encoding="utf-8")


def _nobody_reads() -> bool:
    """Return whether the reader of standard output is gone, as of ``| head``; nothing more is written there then."""
    try:
        print(flush=True)  # what could not be written is forgotten: only something new tells
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def fail(message: str) -> int:
    """Print ``message`` as one line on standard error; return the exit code 2."""
    line = "error: " + " ".join(message.split())
    print(
        line.encode(sys.stderr.encoding or "ascii", "replace").decode(sys.stderr.encoding or "ascii"), file=sys.stderr
    )
    return 2
