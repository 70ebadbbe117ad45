"""The README's file tree names every module with the first line of its docstring, and its commands exist."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tomograms", "models", "postproc", "evaluation", "ensemble", "submissions")


def tree() -> str:
    """Return the tree as it stands in the README."""
    lines = []
    for package in PACKAGES:
        lines.append(f"{package}/")
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py":
                doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
                name = str(path.relative_to(ROOT / package))
                lines.append(f"  {name:<27} {doc.splitlines()[0]}")
    return "\n".join(lines)


def test_the_tree_is_up_to_date():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tree() in readme, "print(tests.test_readme.tree()) gives the tree for the README"


def test_commands_of_the_readme_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"python -m ([a-z_.]+[a-z_])", readme))
    assert {"evaluation.cv", "ensemble.build", "submissions.make"} <= commands
    assert not [command for command in commands if find_spec(command) is None]
