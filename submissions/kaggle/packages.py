"""What must be carried to a machine without network: this project's wheel, and those that the machine's image lacks."""

import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from itertools import product
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tomograms.errors import InputError
from tomograms.files import replacing

PROJECT = "cryoet-picks"
PACKAGES = ("tomograms", "compute", "models", "postproc", "evaluation", "ensemble", "submissions")
LATEST = Path("submissions") / "submission.csv"
"""The one file in a package's folder that is none of it; see `submissions.make`."""
DATA_FILES = ("cv_folds.yaml",)
"""Files that lie beside the packages."""
NEVER = re.compile(r"torch|torchvision|triton|nvidia-.*|cuda-.*")
"""Distributions that are never packed: an image's own torch fits its driver."""
NOT_FOR_INFERENCE = frozenset(
    (
        "click",
        "copick",
        "gemmi",
        "jinja2",
        "nbformat",
        "optuna",
        "shtab",
        "sqlalchemy",
        "starfile",
        "torch-ctf",
        "torch-fourier-slice",
    )
)
"""Requirements that no import of a prediction on Kaggle's data reaches."""
PYTHONS = ("3.11", "3.12", "3.13")
"""Versions of Python that wheels are packed for: Kaggle's has 3.12, Colab's 3.13."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
# fmt: off
KAGGLE_IMAGE = (
    "absl-py", "aiohttp", "attrs", "certifi", "charset-normalizer", "click", "contourpy", "cycler", "filelock",
    "fonttools", "fsspec", "huggingface-hub", "idna", "importlib-metadata", "jinja2", "joblib", "jsonschema",
    "kiwisolver", "markdown-it-py", "markupsafe", "matplotlib", "mdurl", "mpmath", "nbformat", "networkx", "numpy",
    "opencv-python", "optuna", "packaging", "pandas", "pillow", "platformdirs", "psutil", "pyarrow", "pydantic",
    "pydantic-core", "pygments", "pyparsing", "python-dateutil", "pytz", "pyyaml", "requests", "rich", "safetensors",
    "scikit-learn", "scipy", "setuptools", "six", "sqlalchemy", "sympy", "threadpoolctl", "torch", "torchvision",
    "tqdm", "typing-extensions", "tzdata", "urllib3", "wheel",
)
"""What Kaggle's Python image is taken to have, whatever the version, where no list is given."""
# fmt: on


@dataclass(frozen=True)
class Metadata:
    """The project's name, version and requirements."""

    version: str
    requirements: tuple[str, ...]


def root() -> Path:
    """Return the folder that holds the packages: a checkout, or site-packages."""
    return Path(__file__).resolve().parents[2]


def project_metadata() -> Metadata:
    """Return the metadata of the code that is running, from the checkout's pyproject.toml or as installed."""
    pyproject = root() / "pyproject.toml"
    if pyproject.exists():
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
        return Metadata(project["version"], tuple(project["dependencies"]))
    own = metadata.distribution(PROJECT)
    return Metadata(own.version, tuple(r for r in own.requires or () if "extra ==" not in r))


def inference_requirements() -> list[str]:
    """Return the project's requirements that predicting on Kaggle needs."""
    return [text for text in project_metadata().requirements if Requirement(text).name not in NOT_FOR_INFERENCE]


def write_wheel(folder: Path) -> Path:
    """Write the wheel of the code that is running, as it is, and return it; neither a build tool nor a network is used.

    The same code gives the same bytes.
    """
    own = project_metadata()
    name = f"{PROJECT.replace('-', '_')}-{own.version}"
    files = {data: (root() / data).read_bytes() for data in DATA_FILES}
    for package in PACKAGES:
        for path in sorted((root() / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path != root() / LATEST:
                files[path.relative_to(root()).as_posix()] = path.read_bytes()
    lines = [f"Metadata-Version: 2.1\nName: {PROJECT}\nVersion: {own.version}\nLicense: AGPL-3.0-or-later"]
    lines += [f"Requires-Dist: {requirement}" for requirement in own.requirements]
    files[f"{name}.dist-info/METADATA"] = ("\n".join(lines) + "\n").encode()
    files[f"{name}.dist-info/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: cryoet-picks\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for path_in_wheel, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.writerow((path_in_wheel, f"sha256={digest}", len(content)))
    rows.writerow((f"{name}.dist-info/RECORD", "", ""))
    files[f"{name}.dist-info/RECORD"] = record.getvalue().encode()
    wheel = folder / f"{name}-py3-none-any.whl"
    with replacing(wheel) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for path_in_wheel, content in files.items():
            archive.writestr(zipfile.ZipInfo(path_in_wheel), content, zipfile.ZIP_DEFLATED)
    return wheel


def read_image(path: Path) -> dict[str, str | None]:
    """Return versions by name from a list of what an image has: lines ``name==version`` (``pip freeze``) or ``name``.

    A name without a version, or with an address (``name @ file:...``), counts as there in the right version (``None``).

    Raises
    ------
    InputError
        If the file is missing or a line is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a list of packages, but it cannot be read ({error})") from None
    image: dict[str, str | None] = {}
    for number, line in enumerate(lines, start=1):
        text = line.split("#")[0].strip()
        if not text or text.startswith("-"):
            continue
        found = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:==\s*(\S+)|@.*)?", text)
        if not found:
            raise InputError(f"{path}, line {number}: expected name==version, but got {line!r}")
        image[canonicalize_name(found[1])] = found[2]
    return image


def lacking(requirements: Iterable[str], image: Mapping[str, str | None]) -> dict[str, str]:
    """Return versions by name of what an image lacks of some requirements and of theirs, as installed here.

    Parameters
    ----------
    requirements
        As in ``Requires-Dist``.
    image
        What is there; ``None`` for any version.

    Raises
    ------
    InputError
        If something that would have to be packed is not installed here.
    """
    packed: dict[str, str] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in packed or NEVER.fullmatch(name):
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if name in image:
            there = image[name]
            if there is None or requirement.specifier.contains(Version(there), prereleases=True):
                continue
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise InputError(
                f"{name}: expected it to be installed here, since the image lacks {requirement} and the wheel of "
                "the same version is packed"
            ) from None
        packed[name] = found.version
        waiting += [Requirement(text) for text in found.requires or ()]
    return dict(sorted(packed.items()))


def download_wheels(versions: Mapping[str, str], folder: Path, *, pythons: Iterable[str]) -> None:
    """Download these wheels for Linux and some versions of Python; asks pip's own index.

    Where a version has no wheel for a Python, the newest older one that has is taken.

    Raises
    ------
    InputError
        If there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for (name, version), python in product(versions.items(), pythons):
        if any(folder.glob(f"{name.replace('-', '_')}-{version}-*-none-any.whl")):
            continue  # it fits every version
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version", python, "--implementation", "cp", "--dest", str(folder)]
        command += [part for platform in PLATFORMS for part in ("--platform", platform)]
        for wanted in (f"{name}=={version}", f"{name}<{version}"):
            done = subprocess.run([*command, wanted], capture_output=True, text=True, check=False)
            if not done.returncode:
                break
        else:
            reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise InputError(
                f"{name}=={version}: expected it or an older wheel for Python {python}, but got none ({reason})"
            )
