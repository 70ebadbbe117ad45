"""Installed packages against what they ask of each other, and pairs that no package's metadata tells of."""

from collections.abc import Callable, Iterable
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BAD_PAIRS = (
    (
        "opencv-python",
        "opencv-python-headless",
        "both write the folder cv2, and the one that is removed or updated breaks the other: keep one of them",
    ),
    ("opencv-python", "opencv-contrib-python", "both write the folder cv2: keep one of them"),
)
"""Two packages, and what is wrong with having both."""

Version = Callable[[str], str | None]
"""Gives a package's installed version, ``None`` where it is not there."""
Requires = Callable[[str], Iterable[str]]
"""Gives the requirements of an installed package, as its metadata has them."""


def installed(name: str) -> str | None:
    """Return the version of an installed package, or ``None``."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def requires(name: str) -> Iterable[str]:
    """Return the requirements of an installed package."""
    return metadata.requires(name) or ()


def unmet(requirements: Iterable[str], *, version: Version = installed, requires: Requires = requires) -> list[str]:
    """Return in words what is missing or has a version that another package does not take.

    Parameters
    ----------
    requirements
        Of the project. Those of every package that they lead to are looked at, too; extras are not.
    version, requires
        Replaced in tests.
    """
    words: list[str] = []
    seen: set[str] = set()
    todo = [("cryoet-picks", text) for text in requirements]
    while todo:
        owner, text = todo.pop()
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(wanted.name)
        found = version(name)
        if found is None:
            words.append(f"{owner} needs {wanted.name}, which is not installed")
        elif not wanted.specifier.contains(found, prereleases=True):
            words.append(f"{owner} needs {wanted.name} {wanted.specifier}, but {found} is installed")
        if found is not None and name not in seen:
            seen.add(name)
            todo += [(name, further) for further in requires(name)]
    return sorted(set(words))


def bad_pairs(*, version: Version = installed) -> list[str]:
    """Return in words the pairs of `BAD_PAIRS` that are installed."""
    return [f"{one} and {other}: {why}" for one, other, why in BAD_PAIRS if version(one) and version(other)]
