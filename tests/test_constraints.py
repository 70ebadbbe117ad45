"""The lock of versions: whole, and without addresses."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
PINNED = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in LINES}
TOOLS = {"pip", "setuptools", "wheel"}
"""Left to each Python: what suits one is too old for the next."""


def reached() -> set[str]:
    """Return every package that the project and its extras lead to, as far as it is installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    todo = [Requirement(text) for texts in lists for text in texts]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        one = todo.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in seen:
            continue
        try:
            further = [Requirement(text) for text in metadata.requires(one.name) or ()]
        except metadata.PackageNotFoundError:
            continue
        seen.add(key)
        asked = {"", *one.extras}
        todo += [r for r in further if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in asked)]
    return {name for name, _ in seen}


def test_every_line_pins_one_version_and_tells_no_address():
    assert len(PINNED) == len(LINES)
    assert not [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)]


def test_everything_that_is_installed_is_pinned():
    assert reached() - TOOLS <= set(PINNED)


def test_the_pins_are_versions_that_the_project_takes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(PINNED[canonicalize_name(wanted.name)]), text
