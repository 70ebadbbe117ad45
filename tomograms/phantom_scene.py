"""Who stands where in a phantom: particles, strangers, vesicles and beads, crowded and without overlaps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tomograms.coordinates import extent, inside
from tomograms.phantom_shapes import Body, bead, species, stranger, vesicle


@dataclass
class Scene:
    """The pseudo-atoms of a whole volume, and the truth.

    Attributes
    ----------
    atoms, mass
        ``(n, 3)`` xyz in Å and ``(n,)``, one entry per body.
    truth
        ``(n, 3)`` xyz in Å by species: the exact centres of mass of all that lie in the volume.
    """

    atoms: list[NDArray[np.float64]] = field(default_factory=list)
    mass: list[NDArray[np.float64]] = field(default_factory=list)
    truth: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)


class Crowd:
    """Places bodies in a box, most of them in clusters, so that none overlaps another."""

    def __init__(
        self,
        low: NDArray[np.float64],  # (3,) xyz, Å
        high: NDArray[np.float64],  # (3,) xyz, Å
        voxel_size: float,
        rng: np.random.Generator,
    ) -> None:
        self._low, self._high, self._voxel_size, self._rng = low, high, voxel_size, rng
        self._clusters = rng.uniform(low, high, size=(8, 3))
        # One voxel more on each side, so that neighbours of the box's voxels exist.
        self._taken = np.zeros(np.ceil((high - low) / voxel_size).astype(int) + 3, bool)

    def place(self, body: Body, *, tries: int = 60) -> tuple[Rotation, NDArray[np.float64]] | None:
        """Return a free pose (rotation, centre xyz) for a body, or ``None`` if none is found."""
        rng = self._rng
        for _ in range(tries):
            centre = rng.uniform(self._low, self._high)
            if rng.random() < 0.6:
                centre = self._clusters[rng.integers(len(self._clusters))] + rng.normal(scale=220, size=3)
            turn = Rotation.from_quat(rng.normal(size=4))
            if ((centre < self._low) | (centre > self._high)).any():
                continue
            cells = np.round((turn.apply(body.space) + centre - self._low) / self._voxel_size).astype(int) + 1
            cells = cells[((cells > 0) & (cells < np.array(self._taken.shape) - 1)).all(axis=1)].T
            if self._taken[tuple(cells)].any():
                continue
            self._taken[tuple(cells)] = True
            for axis, step in np.ndindex(3, 2):  # a voxel of water between neighbours
                beside = cells.copy()
                beside[axis] += 2 * step - 1
                self._taken[tuple(beside)] = True
            return turn, centre
        return None


def populate(
    shape: tuple[int, int, int],
    voxel_size: float,
    *,
    margin: int,
    counts: dict[str, tuple[int, int]],
    strangers: int,
    rng: np.random.Generator,
) -> Scene:
    """Return a crowded scene.

    Parameters
    ----------
    shape
        ``(z, y, x)`` of the volume.
    voxel_size
        Å.
    margin
        Voxels around the volume that are populated too; particles there are not in the truth.
    counts
        Fewest and most particles of each species, per volume; fewer where the crowd leaves no room.
    strangers
        Unpicked proteins per volume.
    rng
        The only source of chance.
    """
    low, high = extent(shape, voxel_size)
    low, high = low - margin * voxel_size, high + margin * voxel_size
    more = float(np.prod((high - low) / voxel_size) / np.prod(shape))
    bodies = species()
    queue: list[tuple[str | None, Body]] = [(None, vesicle(rng)) for _ in range(rng.integers(2, 5))]
    queue += [(None, bead()) for _ in range(rng.integers(1, 4))]
    for name, (fewest, most) in sorted(counts.items(), key=lambda item: -len(bodies[item[0]].space)):
        queue += [(name, bodies[name])] * round(more * rng.integers(fewest, most + 1))
    queue += [(None, stranger(rng)) for _ in range(round(more * strangers))]

    crowd = Crowd(low, high, voxel_size, rng)
    scene = Scene(truth={name: [] for name in counts})
    for queued, body in queue:
        pose = crowd.place(body)
        if pose is None:
            continue
        turn, centre = pose
        scene.atoms.append(turn.apply(body.atoms) + centre)
        scene.mass.append(body.mass * rng.uniform(0.85, 1.15))
        if queued is not None and inside(centre, shape, voxel_size)[0]:
            scene.truth[queued].append(centre)
    return scene
