"""The walls of the house: imports point left and never in a circle, light modules stay light, commands are thin."""

import ast
import graphlib
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
    "models.pretrain",
    "submissions.make",
    "submissions.pick",
    "submissions.calibrate",
    "submissions.doctor",
    "submissions.check",
    "submissions.cli",
    "submissions.kaggle",
    "submissions.pictures",
    "submissions.report",
    "submissions.review",
    "tomograms.simulator.picture",
    "tomograms.simulator.tree",
    "tomograms.split",
)
HEAVY = ("torch", "monai", "ultralytics", "optuna", "sklearn", "matplotlib", "copick")
LONGEST = 280
INSIDE = {
    "compute/cluster.py": "submitit",  # an extra that only --on needs
    "compute/devices.py": "torch",  # imported without it
    "compute/precision.py": "torch",
    "models/detector/member.py": "models.detector.training",  # prediction does without what only training needs
    "models/unet/member.py": "models.unet.training",
    "models/volume_member.py": "models.training.crop_learner",
    "models/yolo/member.py": "models.yolo.training",
    "submissions/checkup.py": "torch",  # one that is broken is what it tells of
    "submissions/prediction/submit.py": "submissions.export.formats",  # a submission needs neither copick nor starfile
    "tomograms/source.py": "tomograms.copick_project",  # a Kaggle tree is read without copick
    "tomograms/phantom.py": "torch",
}
"""Modules that import inside functions beside the commands, and one module for which they do."""


def modules():
    return sorted(path for package in ORDER for path in (ROOT / package).rglob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module).partition(".")[0]


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path, known):
    """Yield the project's modules that a file imports, wherever in it that stands, also only for types."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield from [full] if full in known else [node.module] if node.module in known else []


def test_no_module_lies_on_an_import_circle():
    known = {name_of(path) for path in modules()}
    graph = {name_of(path): set(imported_modules(path, known)) for path in modules()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_imports_stand_at_the_top():
    """A command imports one module after parsing; what else imports inside a function is listed with its reason."""
    commands = {ROOT / f"{name.replace('.', '/')}.py" for name in COMMANDS} | {
        ROOT / f"submissions/{name}/__main__.py" for name in ("kaggle", "report")
    }
    found = {}
    for path in modules():
        functions = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)]
        inside = [n for f in functions for n in ast.walk(f) if isinstance(n, (ast.Import, ast.ImportFrom))]
        if path in commands:
            assert len(inside) <= 1, path
        elif inside:
            found[str(path.relative_to(ROOT))] = inside
    assert set(found) == set(INSIDE)


def test_no_module_is_long():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert not [str(path) for path, length in lengths.items() if length > LONGEST]


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
