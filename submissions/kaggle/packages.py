"""What must be carried to a machine without network: this project's wheel, and those that the machine's image lacks."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from models.initial import SHIPPED
from tomograms.errors import InputError

PROJECT = "cryoet-picks"
IGNORED = ".gitignore"
NEVER = re.compile(r"torch|torchvision|triton|nvidia-.*|cuda-.*")
"""Distributions that are never packed: an image's own torch fits its driver."""
NOT_FOR_INFERENCE = frozenset(
    (
        "click",
        "copick",
        "gemmi",
        "hatchling",
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
KAGGLE_IMAGE: Mapping[str, str | None] = dict.fromkeys((
    "absl-py", "aiohttp", "anyio", "attrs", "certifi", "charset-normalizer", "click", "contourpy", "cycler",
    "filelock", "fonttools", "fsspec", "h11", "httpcore", "httpx", "huggingface-hub", "idna", "importlib-metadata",
    "jinja2", "joblib", "jsonschema", "kiwisolver", "markdown-it-py", "markupsafe", "mdurl", "mpmath", "nbformat",
    "networkx", "optuna", "packaging", "pillow", "platformdirs", "pydantic", "pydantic-core", "pygments", "pyparsing",
    "python-dateutil", "pytz", "pyyaml", "requests", "setuptools", "six", "sniffio", "sqlalchemy", "sympy",
    "threadpoolctl", "tqdm", "typing-extensions", "tzdata", "urllib3", "wheel", "wrapt",
)) | {
    "matplotlib": "3.10.0", "numpy": "2.1.3", "opencv-python": "5.0.0.93", "pandas": "2.2.3", "polars": "1.35.2",
    "psutil": "5.9.5", "pyarrow": "18.1.0", "rich": "13.9.4", "safetensors": "0.8.0", "scikit-learn": "1.6.1",
    "scipy": "1.16.3", "torch": "2.11.0", "torchvision": "0.26.0",
}
"""What Kaggle's Python image is taken to have where no list is given (August 2026), ``None`` for any version."""
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
    """Let the build backend write the wheel of the code that is running, and return it; no network is used.

    It leaves out the shipped weights: a run predicts with its own. The same code gives the same bytes.

    Raises
    ------
    InputError
        If the code runs from anything but a checkout, or the backend fails.
    """
    if not (root() / "pyproject.toml").exists():
        raise InputError(f"{root()}: expected a checkout with a pyproject.toml to build the wheel from")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder.resolve())]
    with TemporaryDirectory() as place:
        copy_sources(Path(place))
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["hatchling failed"])[-1]
        raise InputError(f"{root()}: expected a wheel of it, but hatchling builds none ({reason})")
    return folder / f"{PROJECT.replace('-', '_')}-{project_metadata().version}-py3-none-any.whl"


def copy_sources(place: Path) -> None:
    """Copy what the wheel is built from, without shipped weights."""
    told = tomllib.loads((root() / "pyproject.toml").read_text(encoding="utf-8"))
    wheel, project = told["tool"]["hatch"]["build"]["targets"]["wheel"], told["project"]
    for name in wheel["packages"]:
        shutil.copytree(root() / name, place / name, ignore=shutil.ignore_patterns("__pycache__", SHIPPED.name))
    files = ["pyproject.toml", project["readme"], *project["license-files"], *wheel["force-include"]]
    if (root() / IGNORED).exists():  # the backend heeds it, so that nobody's submission is packed
        files.append(IGNORED)
    for name in files:
        shutil.copy(root() / name, place / name)


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
    return _split(requirements, image)[0]


def relied_on(requirements: Iterable[str], image: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return versions by name of what some requirements and those that are packed take from an image; see `lacking`."""
    return _split(requirements, image)[1]


def _split(
    requirements: Iterable[str], image: Mapping[str, str | None]
) -> tuple[dict[str, str], dict[str, str | None]]:
    packed: dict[str, str] = {}
    there: dict[str, str | None] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in packed or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
            continue
        if name in image:
            version = image[name]
            if version is None or requirement.specifier.contains(Version(version), prereleases=True):
                there[name] = version
                continue
        if NEVER.fullmatch(name):
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
    return dict(sorted(packed.items())), {name: there[name] for name in sorted(there) if name not in packed}


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
