"""The notebook that makes the submission on Kaggle: plain Python cells, so that any interpreter can rehearse it."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tomograms.files import write_text

INTRODUCTION = """\
# Particles in cryo-electron tomograms: a U-Net and YOLO11 ensemble

Installs offline from the attached bundle, predicts every test tomogram, and writes `submission.csv`. The file is valid
at any moment; a tomogram that fails is reported below and does not end the run; the time budget is kept by dropping
test-time views, then members.
"""

FIND = '''\
import os
import subprocess
import sys
from pathlib import Path

INPUT = Path(os.environ.get("KAGGLE_INPUT", "/kaggle/input"))
WORKING = Path(os.environ.get("KAGGLE_WORKING", "/kaggle/working"))
BUDGET = {budget!r}
EXPECT = {expect}
FINAL = {final!r}


def find(pattern, what):
    """Return the folder that holds ``pattern``, at most three levels below the input."""
    for depth in ("", "*/", "*/*/", "*/*/*/"):
        for path in sorted(INPUT.glob(depth + pattern)):
            return Path(str(path)[: -len(pattern)])
    print(f"error: {{INPUT}}: expected {{what}} to be attached ({{pattern}}), but found none", file=sys.stderr)
    raise SystemExit(2)


bundle = find("bundle.json", "the bundle")
data = find("test/static/ExperimentRuns", "the competition's data")
print("bundle:", bundle)
print("data:", data)
'''

INSTALL = """\
import json

record = json.loads((bundle / "bundle.json").read_text())
wanted = [record["project"], *record["packed"]]  # of each, pip takes the newest that fits this Python
# Without dependencies: what is missing in the image is among the wheels, and torch and numpy stay the image's own.
pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
subprocess.run([*pip, "--find-links", str(bundle / "wheels"), *wanted], check=True)
needed = "import submissions.prediction.submit, models.unet.member, models.yolo.member"
if subprocess.run([sys.executable, "-c", needed]).returncode:
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"error: the image (Python {version}) lacks what is named above; pack with --image, its pip freeze")
    raise SystemExit(2)
"""

PREDICT = """\
command = [sys.executable, "-m", "submissions.make", "--runs", str(bundle), "--run", "run", "--data", str(data)]
command += ["--out", str(WORKING), "--budget", BUDGET, "--expect", str(EXPECT), "--final", FINAL]
code = subprocess.run(command, cwd=WORKING).returncode
if code not in (0, 3):  # 3: something failed, and the rest is there
    raise SystemExit(code)
"""

CHECK = """\
submission = WORKING / "submission.csv"
subprocess.run([sys.executable, "-m", "submissions.check", str(submission), "--data", str(data)], check=True)
print(*submission.read_text().splitlines()[:5], sep="\\n")
"""


def write_notebook(path: Path, *, budget: str, expect: int, final: str) -> None:
    """Write the notebook, checked against the format's schema.

    Parameters
    ----------
    path
        ``submit.ipynb``.
    budget
        Of `submissions.make`, e.g. ``11h``.
    expect
        How many tomograms are to be expected.
    final
        Which models predict; see `submissions.prediction.final`.
    """
    sources = [FIND.format(budget=budget, expect=expect, final=final), INSTALL, PREDICT, CHECK]
    cells = [new_markdown_cell(INTRODUCTION.strip(), id="cell-0")]
    cells += [new_code_cell(source.strip(), id=f"cell-{number}") for number, source in enumerate(sources, start=1)]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = new_notebook(cells=cells, metadata={**kernel, "language_info": {"name": "python"}})
    nbformat.validate(notebook)
    write_text(path, nbformat.writes(notebook) + "\n")


def read_cells(path: Path) -> list[str]:
    """Return the source of each code cell."""
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
