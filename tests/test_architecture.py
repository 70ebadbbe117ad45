"""The walls of the house: imports point left, light modules stay light, packages hold no code of their own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ORDER = ("tomograms", "compute", "models", "postproc", "evaluation", "ensemble", "submissions")
COMMANDS = (
    "evaluation.cv",
    "evaluation.metric",
    "evaluation.folds",
    "evaluation.runs",
    "ensemble.build",
    "submissions.make",
    "submissions.check",
    "submissions.pictures",
)
HEAVY = ("torch", "monai", "ultralytics", "optuna", "sklearn", "matplotlib", "copick")


def modules():
    return sorted(path for package in ORDER for path in (ROOT / package).rglob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module).partition(".")[0]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_package_looks_back(path):
    own = ORDER.index(path.relative_to(ROOT).parts[0])
    forbidden = {*ORDER[own + 1 :], "tests"}
    assert not forbidden & set(imported(path))


def test_init_files_are_empty():
    assert not [path for path in modules() if path.name == "__init__.py" and path.read_text().strip()]


def test_there_is_no_drawer_for_odds_and_ends():
    assert not [path for path in modules() if path.stem in ("utils", "helpers", "common", "misc")]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command):
    """What makes ``--help`` slow is imports; the clock itself is not asserted on."""
    code = (
        f"import sys, runpy; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_module('{command}', run_name='__main__')\n"
        f"except SystemExit as end: assert not end.code, end.code\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        f"assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "usage" in result.stdout


def test_a_data_set_can_be_read_without_torch():
    code = "import sys, tomograms.dataset, tomograms.kaggle_tree, postproc.peaks; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
