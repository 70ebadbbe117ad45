"""Users' own densities: MRC maps and atomic models (PDB, mmCIF), one file per species."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import gemmi
import mrcfile
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tomograms.errors import InputError
from tomograms.mrc import DAMAGED
from tomograms.particles import Particle
from tomograms.simulator.densities import Species, from_beads, from_grid
from tomograms.simulator.structures import Beads

PROTEIN = 0.81
"""Daltons per Å³: what the dense part of a map is scaled to."""
SUPPORT = 0.15
"""A map's particle is where it exceeds this fraction of its strongest values."""
DUST = 0.02
"""Fraction of the largest connected part below which a part of a map is dust."""
LARGEST = 2000.0
"""Å; what reaches further from its centre is taken for a mistake in the units."""


def read_species(folder: Path, particles: Sequence[Particle], voxel_size: float) -> tuple[Species, ...]:
    """Return the densities of the particles, from the files named after them.

    A map's density counts above the value of its border, is resampled to ``voxel_size`` and scaled so that its dense
    part scatters like protein; a model's first biological assembly is used. A particle's centre is that of its mass.

    Parameters
    ----------
    folder
        With ``{particle}.mrc``, ``.map``, ``.pdb``, ``.ent``, ``.cif`` or ``.mmcif`` for each particle, or one of these
        with ``.gz``.
    particles
        The species.
    voxel_size
        Å.

    Raises
    ------
    InputError
        If the folder or a species is missing, two files claim one species, or a file is damaged, empty, or inverted. Or
        if a map's particle is twice as large as its radius says, or half as large: its header's voxel size is wrong.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of maps")
    files = {p.name: [s for s in sorted(READERS) if (folder / (p.name + s)).is_file()] for p in particles}
    missing = [name for name, suffixes in files.items() if not suffixes]
    if missing:
        raise InputError(f"{folder}: expected a file named after each species, but got none for {', '.join(missing)}")
    for name, suffixes in files.items():
        if len(suffixes) > 1:
            raise InputError(
                f"{folder}: expected one file per species, but got {', '.join(name + s for s in suffixes)}"
            )
    species = tuple(READERS[s](name, folder / (name + s), voxel_size) for name, (s,) in files.items())
    for particle, one in zip(particles, species, strict=True):
        suffix = files[particle.name][0]
        if READERS[suffix] is read_map and not 0.5 <= one.reach / particle.radius <= 2:
            raise InputError(
                f"{folder / (particle.name + suffix)}: expected a particle that reaches about {particle.radius:g} Å, "
                f"its radius, but with its header's voxel size it reaches {one.reach:.0f} Å"
            )
    return species


def read_others(folder: Path, voxel_size: float) -> tuple[Species, ...]:
    """Return the densities of all maps and models of a folder, in the order of their names; none has a name.

    Raises
    ------
    InputError
        If the folder holds none, or a file is damaged, empty, or inverted; see `read_species`.
    """
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [(path, suffix) for path in paths for suffix in READERS if path.name.lower().endswith(suffix)]
    if not found:
        raise InputError(f"{folder}: expected a folder of maps ({', '.join(READERS)}), but got none")
    return tuple(READERS[suffix]("", path, voxel_size) for path, suffix in found)


def read_map(name: str, path: Path, voxel_size: float) -> Species:
    """Return the density of an MRC map; see `read_species`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with mrcfile.open(path) as file:
                data, spacing, header = np.asarray(file.data), file.voxel_size.copy(), file.header
                axes = [int(header.maps), int(header.mapr), int(header.mapc)]
    except DAMAGED as error:
        raise InputError(f"{path}: expected an MRC map, but it cannot be read ({error})") from None
    if data.dtype.kind not in "fiu":
        raise InputError(f"{path}: expected a map of real numbers, but got {data.dtype}")
    grid = data.astype(np.float32)
    sizes = np.array([float(spacing.z), float(spacing.y), float(spacing.x)])
    if grid.ndim != 3 or min(grid.shape) < 4:
        raise InputError(f"{path}: expected a 3D map, but got an array of shape {grid.shape}")
    if not sizes[0] > 0 or np.ptp(sizes) > 1e-3 * sizes[0]:
        raise InputError(f"{path}: expected the same voxel size above 0 Å on each axis, but got {sizes.tolist()}")
    if sorted(axes) != [1, 2, 3]:
        raise InputError(f"{path}: expected columns, rows and sections along the axes 1, 2, 3, but got {axes[::-1]}")
    grid = grid.transpose([axes.index(axis) for axis in (3, 2, 1)])
    grid, centre, radius = isolate(grid, float(sizes[0]), path)
    if not radius < LARGEST:
        raise InputError(
            f"{path}: expected a particle within {LARGEST:g} Å of its centre, but at {sizes[0]:g} Å per voxel "
            f"it reaches {radius:.0f} Å"
        )
    return from_grid(name, grid, centre, float(sizes[0]), voxel_size=voxel_size, radius=radius)


def isolate(
    grid: NDArray[np.float32], voxel_size: float, source: Path
) -> tuple[NDArray[np.float32], NDArray[np.float64], float]:
    """Return a map scaled to daltons per voxel and 0 off the particle, its centre of mass (zyx) and its radius (Å).

    What is smaller than `DUST` of the largest connected part is left out, and so are the borders that hold nothing.

    Raises
    ------
    InputError
        If the map holds NaN, nothing, or a particle darker than its surroundings.
    """
    if not np.isfinite(grid).all():
        raise InputError(f"{source}: expected finite densities, but got NaN or infinity")
    faces = [np.take(grid, i, axis).ravel() for axis in range(3) for i in (0, -1)]
    grid = grid - np.median(np.concatenate(faces))
    low, high = -np.percentile(grid, 0.5), np.percentile(grid, 99.5)
    low, high = max(low, 0.5 * -grid.min()), max(high, 0.5 * grid.max())
    if not max(low, high) > 0:
        raise InputError(f"{source}: expected a density, but the map is empty: every voxel has the same value")
    if low > high:
        raise InputError(
            f"{source}: expected a particle brighter than its surroundings, but the map is inverted "
            f"(lowest {-low:.3g}, highest {high:.3g} above its border); multiply it by -1"
        )
    parts, number = ndimage.label(grid > SUPPORT * high)
    sizes = np.bincount(parts.ravel(), minlength=number + 1)
    sizes[0] = 0
    kept = (sizes > DUST * sizes.max())[parts]
    box = ndimage.find_objects(kept.astype(np.uint8))[0]
    grid = np.where(kept[box], grid[box], 0).astype(np.float32)
    grid *= PROTEIN * voxel_size**3 / np.percentile(grid[grid > 0], 75)
    index = np.argwhere(grid > 0)
    weight = grid[tuple(index.T)].astype(np.float64)
    centre = weight @ index / weight.sum()
    return grid, centre, float(np.linalg.norm(index - centre, axis=1).max()) * voxel_size


def read_model(name: str, path: Path, voxel_size: float) -> Species:
    """Return the density of an atomic model, one bead for each residue; see `read_species`."""
    try:
        structure = gemmi.read_structure(str(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: expected a PDB or mmCIF file, but it cannot be read ({error})") from None
    structure.remove_waters()
    structure.remove_empty_chains()
    if not len(structure) or not sum(len(chain) for chain in structure[0]):
        raise InputError(f"{path}: expected atoms, but the model is empty")
    model = structure[0]
    if structure.assemblies:
        model = gemmi.make_assembly(structure.assemblies[0], model, gemmi.HowToNameCopiedChain.Dup)
    position, weight = [], []
    for chain in model:
        for residue in chain:
            mass = np.array([atom.element.weight * atom.occ for atom in residue])
            if mass.sum() > 0:
                position.append(mass @ np.array([atom.pos.tolist() for atom in residue]) / mass.sum())
                weight.append(mass.sum())
    points, weights = np.array(position).reshape(-1, 3), np.array(weight)
    points = points - weights @ points / weights.sum()
    if not np.linalg.norm(points, axis=1).max() < LARGEST:
        raise InputError(f"{path}: expected a model within {LARGEST:g} Å of its centre, but it reaches further")
    return from_beads(name, Beads(points, weights), voxel_size)


READERS: dict[str, Callable[[str, Path, float], Species]] = {
    **dict.fromkeys([s + z for s in (".mrc", ".map") for z in ("", ".gz")], read_map),
    **dict.fromkeys([s + z for s in (".pdb", ".ent", ".cif", ".mmcif") for z in ("", ".gz")], read_model),
}
