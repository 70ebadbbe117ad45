"""The built-in data set: a simulated Kaggle tree of seven training and two test runs, made once in a cache folder.

Every figure that comes from it is simulated and must be labelled so.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomograms import phantom_imaging, phantom_scene, phantom_shapes
from tomograms.console import Progress
from tomograms.files import write_json
from tomograms.kaggle_tree import SIMULATED, write_run

RUNS: Mapping[str, tuple[int, ...]] = {"train": (1, 2, 3, 4, 5, 6, 7), "test": (101, 102)}
"""Numbers of the runs of each split; a number is also the run's seed."""


@dataclass(frozen=True)
class Phantom:
    """What the phantom is made of.

    Attributes
    ----------
    shape
        ``(z, y, x)`` voxels.
    voxel_size
        Å.
    margin
        Voxels around the volume that are simulated and cut off, so that nothing wraps around and particles reach in.
    counts
        Fewest and most particles by species and volume.
    strangers
        Unpicked proteins per volume.
    noise
        Lowest and highest noise of a run, in units of protein density per voxel.
    max_tilt, tilt_step
        Degrees.
    """

    shape: tuple[int, int, int] = (48, 160, 160)
    voxel_size: float = 10.012444
    margin: int = 14
    counts: dict[str, tuple[int, int]] = field(
        default_factory=lambda: {
            "apo-ferritin": (16, 24),
            "beta-amylase": (4, 7),
            "beta-galactosidase": (8, 12),
            "ribosome": (8, 11),
            "thyroglobulin": (10, 14),
            "virus-like-particle": (4, 6),
        }
    )
    strangers: int = 30
    noise: tuple[float, float] = (0.15, 0.25)
    max_tilt: float = 48.0
    tilt_step: float = 3.0


def simulate(phantom: Phantom, seed: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float64]]]:
    """Return a volume ``(z, y, x)`` with values around 1e-5, and the centres (n, 3) xyz in Å by species."""
    rng = np.random.default_rng([8620, seed])
    scene = phantom_scene.populate(
        phantom.shape,
        phantom.voxel_size,
        margin=phantom.margin,
        counts=phantom.counts,
        strangers=phantom.strangers,
        rng=rng,
    )
    padded = tuple(n + 2 * phantom.margin for n in phantom.shape)
    atoms = np.concatenate(scene.atoms) + phantom.margin * phantom.voxel_size
    density = phantom_imaging.splat(atoms, np.concatenate(scene.mass), padded, phantom.voxel_size)
    volume = phantom_imaging.image(
        density,
        phantom.voxel_size,
        noise=rng.uniform(*phantom.noise),
        max_tilt=phantom.max_tilt,
        step=phantom.tilt_step,
        rng=rng,
    )
    inner = tuple(slice(phantom.margin, phantom.margin + n) for n in phantom.shape)
    truth = {name: np.array(centres).reshape(-1, 3) for name, centres in scene.truth.items()}
    return np.ascontiguousarray(volume[inner]), truth


def write_phantom(root: Path, phantom: Phantom, *, runs: Mapping[str, tuple[int, ...]] = RUNS) -> None:
    """Write a Kaggle tree of simulated runs ``PH_1, ...`` into a folder, the truth of the test runs included."""
    with Progress() as progress:
        task = progress.task("phantom (simulated data, made once)", total=sum(map(len, runs.values())))
        for split, numbers in runs.items():
            for number in numbers:
                volume, picks = simulate(phantom, number)
                write_run(root, split, f"PH_{number}", volume=volume, voxel_size=phantom.voxel_size, picks=picks)
                task.update(task.done + 1)
        write_json(root / SIMULATED, asdict(phantom))
        task.finish()


def phantom_root(cache: Path | None = None) -> Path:
    """Return the folder of the phantom, which is made if it is not there yet.

    The folder's name carries a hash of the code that makes it, so that a changed phantom never meets an old cache. It
    is made beside its final place and renamed, so that a killed process leaves no half of it.

    Parameters
    ----------
    cache
        Where it is kept; by default the user's cache folder.
    """
    if cache is None:
        import platformdirs

        cache = Path(platformdirs.user_cache_dir("cryoet-picks"))
    digest = hashlib.sha256()
    for module in (phantom_shapes.__file__, phantom_scene.__file__, phantom_imaging.__file__, __file__):
        digest.update(Path(module).read_bytes())
    root = cache / f"phantom-{digest.hexdigest()[:12]}"
    if root.is_dir():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=cache, prefix=".phantom-"))
    try:
        write_phantom(making, Phantom())
        making.chmod(0o755)
        try:
            making.rename(root)
        except OSError:  # another process was first; both made the same
            if not root.is_dir():
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return root
