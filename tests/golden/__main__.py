"""``python -m tests.golden [STAGE ...]``: write the golden files anew, all of them or those of some stages.

A golden file changes only in a commit that says which defect or removal changed it. A file that differs from the stored
one by no more than its stage's tolerance stays as it is.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.golden.stages import STAGES
from tests.golden.store import FILES


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__.partition("\n")[0])
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(STAGES))
    chosen = parser.parse_args().stages or list(STAGES)
    unknown = [name for name in chosen if name not in STAGES]
    if unknown:
        parser.error(f"expected stages among {', '.join(STAGES)}, but got {', '.join(unknown)}")
    given: set[str] = set()
    for name in chosen:
        stage = STAGES[name]
        with tempfile.TemporaryDirectory() as folder:
            texts = stage.texts(Path(folder))
        for file, text in texts.items():
            differences = stage.differences(file, text)
            if differences:
                (FILES / file).write_text(text, encoding="utf-8")
            print(f"{name}: {file} {'written' if differences else 'unchanged'}")
        given.update(texts)
    if set(chosen) == set(STAGES):
        for path in FILES.iterdir():
            if path.name not in given:
                path.unlink()
                print(f"{path.name} removed: no stage gives it")


if __name__ == "__main__":
    main()
