"""What the phantom's particles look like: pseudo-atoms on a fine grid inside simple solids.

The solids are our own and follow published outer dimensions and masses (about 1.21 Å^3 of protein per Da): apo-ferritin
a hollow shell of 60 Å; beta-amylase a small tetramer; beta-galactosidase a flat D2 tetramer of 175 x 135 x 90 Å; the
ribosome two irregular, dense subunits; thyroglobulin an elongated C2 dimer of 260 x 130 x 110 Å; the virus-like
particle a hollow icosahedral shell of 135 Å.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

GRID = 6.0
"""Å between pseudo-atoms."""


@dataclass(frozen=True)
class Body:
    """A rigid cloud of pseudo-atoms whose centre of mass is the origin.

    Attributes
    ----------
    atoms
        ``(n, 3)`` xyz, Å.
    mass
        ``(n,)`` protein density times Å^3.
    space
        ``(n, 3)`` xyz, Å: the points that nobody else may occupy, which fill a shell.
    """

    atoms: NDArray[np.float64]
    mass: NDArray[np.float64]
    space: NDArray[np.float64]


def solid(
    centre: ArrayLike,  # (n, 3) xyz, Å
    semi_axes: ArrayLike,  # (n, 3) or (n, 1), Å
    *,
    density: ArrayLike = 1.0,  # (n,)
) -> Body:
    """Return the union of ellipsoids; where they overlap, the densest counts."""
    centres, axes = np.asarray(centre, np.float64), np.asarray(semi_axes, np.float64)
    axes = np.broadcast_to(axes, centres.shape)
    low, high = (centres - axes).min(axis=0), (centres + axes).max(axis=0)
    grid = np.stack(np.meshgrid(*map(np.arange, low, high + GRID, [GRID] * 3), indexing="ij"), axis=-1).reshape(-1, 3)
    densities = np.zeros(len(grid))
    for middle, axis, value in zip(centres, axes, np.broadcast_to(density, len(centres)), strict=True):
        within = (((grid - middle) / axis) ** 2).sum(axis=1) <= 1
        densities[within] = np.maximum(densities[within], value)
    return _body(grid[densities > 0], densities[densities > 0])


def shell(outer: float, inner: float, *, faces: float = 0.0) -> Body:
    """Return a hollow sphere; ``faces`` from 0 (round) to 1 (icosahedral) flattens it."""
    line = np.arange(-outer, outer + GRID, GRID)
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.linalg.norm(grid, axis=1)
    flat = np.abs(grid @ _face_normals().T).max(axis=1) / 0.795  # 0.795: inradius of the icosahedron of radius 1
    distance = (1 - faces) * distance + faces * flat
    body = _body(grid[(distance <= outer) & (distance >= inner)], 1.0)
    return Body(body.atoms, body.mass, grid[distance <= outer])


def species() -> dict[str, Body]:
    """Return the six CZII species by name."""
    signs = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])  # the orbit of D2
    arm = [[14, 0, 4], [42, 24, 10], [74, 34, 20], [104, 16, -2], [58, -18, -22], [24, -34, 14], [34, 14, -32]]
    arm_radius = [28, 29, 27, 24, 27, 25, 21]
    large = [[0, 0, 28], [62, 30, 45], [-60, 38, 40], [8, -66, 40], [-30, -50, 78], [40, 48, 78], [12, 10, 105]]
    large += [[88, -8, 20], [-84, -12, 36], [0, 84, 26]]
    large_radius = [72, 42, 44, 40, 34, 36, 34, 28, 26, 26]
    small = [[-40, 8, -68], [6, 14, -78], [48, 0, -72], [84, -18, -66], [-72, 34, -56], [20, -34, -96], [-16, 52, -84]]
    small_radius = [42, 44, 40, 30, 30, 28, 27]
    return {
        "apo-ferritin": shell(60, 40),
        "beta-amylase": solid(signs * [29, 26, 13], [[25.5]]),
        "beta-galactosidase": solid(signs * [47, 36, 13], [[40, 31, 30]]),
        "ribosome": solid(large + small, np.array(large_radius + small_radius)[:, None], density=1.35),
        "thyroglobulin": solid(
            np.concatenate([np.array(arm), np.array(arm) * [-1, -1, 1]]), np.array(arm_radius * 2)[:, None]
        ),
        "virus-like-particle": shell(135, 110, faces=0.6),
    }


def stranger(rng: np.random.Generator) -> Body:
    """Return something that nobody picks: a globule, an aggregate, a barrel or a filament.

    Most are compact and dark, so that finding something dark of about the right size is not enough.
    """
    kind = rng.choice(["globule", "aggregate", "barrel", "filament"], p=[0.5, 0.15, 0.15, 0.2])
    if kind == "globule":
        return solid([[0, 0, 0]], rng.uniform(28, 48, (1, 3)), density=rng.uniform(1.3, 1.8))
    if kind == "aggregate":
        return solid([[0, 0, 0]], rng.uniform(75, 115, (1, 3)), density=rng.uniform(0.8, 1.4))
    if kind == "barrel":
        radius, rings = rng.uniform(48, 62), int(rng.integers(3, 6))
        angle = np.arange(7) * 2 * np.pi / 7
        ring = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(7)], axis=1)
        levels = (np.arange(rings) - (rings - 1) / 2) * 36
        return solid(np.concatenate([ring + np.array([0, 0, z]) for z in levels]), [[22.0]])
    count = int(rng.integers(8, 20))
    return solid(np.stack([np.arange(count) * 25.0, *np.zeros((2, count))], axis=1), [[rng.uniform(20, 26)]])


def vesicle(rng: np.random.Generator) -> Body:
    """Return a bilayer: two leaflets 38 Å apart around 150 to 280 Å, a little squashed."""
    radius = rng.uniform(150, 280)
    leaflets = []
    for r in (radius - 19, radius + 19):
        count = int(4 * np.pi * r**2 / GRID**2 / 3)
        direction = rng.normal(size=(count, 3))
        leaflets.append(r * direction / np.linalg.norm(direction, axis=1, keepdims=True))
    atoms = np.concatenate(leaflets) * rng.uniform(0.85, 1.1, 3)
    return _body(atoms, 1.6)


def bead() -> Body:
    """Return a gold bead of 50 Å radius."""
    return solid([[0, 0, 0]], [[50.0]], density=7.0)


def _body(atoms: NDArray[np.float64], density: ArrayLike) -> Body:
    mass = np.broadcast_to(np.asarray(density, np.float64) * GRID**3, len(atoms)).copy()
    centred = atoms - np.average(atoms, axis=0, weights=mass)
    return Body(centred, mass, centred)


def _face_normals() -> NDArray[np.float64]:
    """Return the ten axes (10, 3) through opposite faces of an icosahedron."""
    golden = (1 + 5**0.5) / 2
    normals = [[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]
    for i in range(3):
        for sign in (1, -1):
            normal = np.roll([0, 1 / golden, sign * golden], i)
            normals.append(normal.tolist())
    return np.array(normals) / 3**0.5
