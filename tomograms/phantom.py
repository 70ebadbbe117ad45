"""The built-in data set: a simulated Kaggle tree of seven training and two test runs, made once in a cache folder.

Every figure that comes from it is simulated and must be labelled so.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from threadpoolctl import threadpool_limits

from tomograms.particles import CZII
from tomograms.simulator.settings import Settings

PHANTOM_SEED = 20240611
"""Whatever learns from simulated tomograms must refuse this seed, or it has seen the phantom."""
SHAPE = (48, 160, 160)
RUNS: Mapping[str, tuple[str, ...]] = {
    "train": ("PH_1", "PH_2", "PH_3", "PH_4", "PH_5", "PH_6", "PH_7"),
    "test": ("PH_101", "PH_102"),
}

PHANTOM = Settings(
    counts={
        "apo-ferritin": (150, 200),
        "beta-amylase": (25, 40),
        "beta-galactosidase": (50, 72),
        "ribosome": (46, 64),
        "thyroglobulin": (54, 72),
        "virus-like-particle": (24, 34),
    },
    distractors=(270, 360),
    vesicles=(65, 110),
    gold=(13, 40),
    crowding=(8.5, 11.5),
    vesicle_radius=(150, 300),
    thickness=(1950, 2200),
    step=(2.6, 2.9),
    dose=(70, 130),
    defocus=(4.6, 5.2),
    amplitude_contrast=(0.06, 0.12),
    contrast=(0.75, 1.05),
    denoising=(0.2, 0.45),
)
"""A small and crowded tomogram, in which every species occurs several times.

It is imaged as the competition's are, but crowding, numbers of vesicles and of gold beads, ice thickness, tilt step and
defocus lie wholly outside the ranges of `settings.TRAINING`: for weights that were pre-trained there, the phantom is a
sample of unseen settings (though of a simulator that they know).
"""


def phantom_root(cache: Path | None = None) -> Path:
    """Return the folder of the phantom, which is made if it is not there yet.

    The folder's name carries a hash of the code that makes it, so that a changed phantom never meets an old cache. It
    is made beside its final place and renamed, so that a killed process leaves no half of it.

    Parameters
    ----------
    cache
        Where it is kept; by default the user's cache folder.
    """
    cache = cache or Path(platformdirs.user_cache_dir("cryoet-picks"))
    here = Path(__file__)
    modules = (here, *sorted((here.parent / "simulator").glob("*.py")))
    digest = hashlib.sha256(b"".join(module.read_bytes() for module in modules))
    root = cache / f"phantom-{digest.hexdigest()[:12]}"
    if root.is_dir():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=cache, prefix=".phantom-"))
    try:
        write_phantom(making)
        making.chmod(0o755)
        try:
            making.rename(root)
        except OSError:  # another process was first; both made the same
            if not root.is_dir():
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return root


def write_phantom(root: Path) -> None:
    """Write the phantom as a Kaggle tree, the truth of the test runs included."""
    import torch  # here, since only making the phantom needs it

    from tomograms.simulator.library import built_in_species
    from tomograms.simulator.writing import write_tree

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of sums, and with it the last bits, depends on their number
    try:
        with threadpool_limits(1):  # numpy's own, for the same reason
            write_tree(
                root,
                PHANTOM,
                PHANTOM_SEED,
                SHAPE,
                runs=RUNS,
                species=built_in_species(CZII, PHANTOM.voxel_size),
                description="phantom (simulated data, made once)",
            )
    finally:
        torch.set_num_threads(threads)
