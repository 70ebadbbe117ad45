"""``python -m tests.fuzz [--inputs N] [PARSER ...]``: damage the input of every parser in many ways, and read it.

Each input must end in a result or an `InputError`. What does not is kept under ``fuzz-found/``, to become a test.
"""

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path

from tests.fuzz.parsers import PARSERS, fuzz

FOUND = Path("fuzz-found")


def main() -> int:
    """Fuzz; return 1 if anything was found."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    options.add_argument("parsers", nargs="*", metavar="PARSER", help=", ".join(PARSERS))
    options.add_argument("--inputs", type=int, default=10_000, help="of each parser (default: 10000)")
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    count = 0
    for name in arguments.parsers or PARSERS:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="error"):
            found = fuzz(PARSERS[name], Path(folder), arguments.inputs, arguments.seed)
        print(f"{name}: {len(found)} of {arguments.inputs} inputs found, {time.monotonic() - start:.0f} s", flush=True)
        for number, (content, error) in enumerate(found):
            FOUND.mkdir(exist_ok=True)
            path = FOUND / f"{name.replace(' ', '-')}-{number}"
            path.write_bytes(content)
            print(f"  {path}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
        count += len(found)
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
