"""Pseudo-atomic models of the competition's species, written from published dimensions, masses and symmetry.

A species is a union of ellipsoidal domains, repeated by its point group and filled with beads of about one kilodalton.
At 20 Å, the finest that a 10 Å voxel shows, this is what is left of a protein: its outline, its holes and its lumps.

Sources of size and mass: ferritin 24-mer, 480 kDa, outer radius 60 Å, cavity 40 Å; sweet potato beta-amylase, D2
tetramer, 220 kDa; E. coli beta-galactosidase, D2 tetramer, 465 kDa, 175 x 135 x 90 Å; 80S ribosome, 3.3 MDa, 250-300 Å;
bovine thyroglobulin, C2 dimer, 660 kDa, about 250 x 160 x 110 Å; phage PP7 capsid, T = 3, 90 dimers, 2.5 MDa.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

BEAD_SPACING = 8.0
NUCLEIC_ACID = 1.5
"""Scattering above that of ice per dalton, in units of a protein's: nucleic acid is denser."""


@dataclass(frozen=True)
class Beads:
    """A structure as point scatterers.

    Attributes
    ----------
    position
        ``(n, 3)`` xyz in Å, centre of mass at 0.
    weight
        ``(n,)`` daltons of protein that scatter as much.
    """

    position: NDArray[np.float64]
    weight: NDArray[np.float64]


@dataclass(frozen=True)
class Domain:
    """An ellipsoid: centre and semi-axes (xyz, Å), its axes' rotation vector (degrees), and its relative density."""

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    density: float = 1.0


@dataclass(frozen=True)
class Model:
    """What a species' beads are made from.

    Attributes
    ----------
    domains, symmetry, mass, texture, seed
        See `assemble`.
    doubt
        Standard deviation of the domains' places, Å: what published dimensions leave open. Only for point groups that a
        stretch along x, y or z leaves as they are.
    """

    domains: tuple[Domain, ...]
    symmetry: str
    mass: float
    texture: float
    seed: int
    doubt: float = 0.0

    def beads(self) -> Beads:
        """Return the beads of the model as it is written down."""
        return assemble(self.domains, self.symmetry, self.mass, texture=self.texture, seed=self.seed)

    def variant(self, rng: np.random.Generator) -> Beads:
        """Return the beads of another model that has the same mass, symmetry and outer dimensions.

        Domains move by ``doubt``, their axes grow or shrink by a fifth, and lumps are drawn anew: a network that learns
        from many variants relies on what they share, which is what is known of the species.
        """
        domains = []
        for domain in self.domains:
            (x, y, z), (a, b, c) = domain.centre, domain.axes
            dx, dy, dz = rng.normal(0, self.doubt, 3)
            fa, fb, fc = np.exp(rng.normal(0, 0.2, 3))
            domains.append(replace(domain, centre=(x + dx, y + dy, z + dz), axes=(a * fa, b * fb, c * fc)))
        other = replace(self, domains=tuple(domains), seed=int(rng.integers(2**31))).beads()
        stretch = np.ptp(self.beads().position, axis=0) / np.ptp(other.position, axis=0)
        return Beads(other.position * stretch, other.weight)


def assemble(domains: Sequence[Domain], symmetry: str, mass: float, *, texture: float, seed: int) -> Beads:
    """Return the beads of domains that a point group repeats.

    Parameters
    ----------
    domains
        Of one asymmetric unit. Where domains overlap, the densest counts.
    symmetry
        ``C1``, ``C2``, ``D2``, ``O`` or ``I``.
    mass
        Of the whole, in daltons of protein that scatter as much.
    texture
        Standard deviation of the density's lumps, relative; lumps measure about 25 Å and ignore the symmetry.
    seed
        Of the lumps and of the beads' jitter.
    """
    rng = np.random.default_rng(seed)
    copies = Rotation.create_group(symmetry).as_matrix()
    centres = np.concatenate([copies @ np.asarray(d.centre, float) for d in domains])
    reach = np.abs(centres).max() + max(max(d.axes) for d in domains)
    axis = np.arange(-reach, reach + BEAD_SPACING, BEAD_SPACING)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    points = points + rng.uniform(-0.35, 0.35, points.shape) * BEAD_SPACING
    density = np.zeros(len(points))
    for domain in domains:
        frame = Rotation.from_rotvec(domain.turn, degrees=True).as_matrix()
        for copy in copies:
            local = (points @ copy - domain.centre) @ frame / domain.axes
            density = np.maximum(density, domain.density * (np.einsum("ij,ij->i", local, local) <= 1))
    points, density = points[density > 0], density[density > 0]
    density = density * np.clip(1 + texture * _lumps(points, rng), 0.05, None)
    weight = density * (mass / density.sum())
    return Beads(points - weight @ points / weight.sum(), weight)


def _lumps(points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a smooth random field (mean 0, standard deviation 1, wavelengths around 45 Å) at the points."""
    waves = rng.normal(size=(64, 3))
    waves *= 2 * np.pi / rng.uniform(30, 70, (64, 1)) / np.linalg.norm(waves, axis=1, keepdims=True)
    return np.cos(points @ waves.T + rng.uniform(0, 2 * np.pi, 64)).sum(axis=1) / np.sqrt(32)


def _tile(radius: float, direction: ArrayLike, along: ArrayLike, axes: tuple[float, float, float]) -> Domain:
    """Return a domain on a sphere: its third axis points outwards, its first as nearly as possible along a vector."""
    normal = np.asarray(direction, float) / np.linalg.norm(direction)
    first = np.asarray(along, float) - normal * np.dot(along, normal)
    first /= np.linalg.norm(first)
    turn = Rotation.from_matrix(np.stack([first, np.cross(normal, first), normal], axis=1)).as_rotvec(degrees=True)
    x, y, z = radius * normal
    return Domain((x, y, z), axes, tuple(turn))


def _apo_ferritin() -> Model:
    # one subunit between a fourfold axis (0, 0, 1) and two threefold ones, (1, 1, 1) and (-1, 1, 1)
    unit = _tile(53.0, (0.0, 0.47, 0.88), (1.0, 0.15, 0.0), (30.0, 16.0, 12.0))
    return Model((unit,), "O", 480e3, texture=0.15, seed=1)


def _beta_amylase() -> Model:
    barrel = Domain((25.0, 23.0, 14.0), (28.0, 26.0, 21.0), (0.0, 0.0, 30.0))
    lobe = Domain((44.0, 14.0, 10.0), (12.0, 12.0, 10.0))
    return Model((barrel, lobe), "D2", 220e3, texture=0.25, seed=2, doubt=6.0)


def _beta_galactosidase() -> Model:
    unit = (
        Domain((26.0, 20.0, 14.0), (26.0, 22.0, 18.0), (0.0, 20.0, 0.0)),
        Domain((56.0, 24.0, 22.0), (20.0, 19.0, 18.0)),
        Domain((72.0, 10.0, 16.0), (15.0, 14.0, 14.0)),
        Domain((40.0, 48.0, 20.0), (21.0, 18.0, 17.0), (0.0, 0.0, 35.0)),
        Domain((14.0, 52.0, 28.0), (16.0, 14.0, 15.0)),
    )
    return Model(unit, "D2", 465e3, texture=0.2, seed=3, doubt=14.0)


def _ribosome() -> Model:
    large = (
        Domain((0.0, 0.0, -40.0), (116.0, 104.0, 66.0), density=NUCLEIC_ACID),
        Domain((5.0, 82.0, -20.0), (34.0, 30.0, 30.0), density=1.1),
        Domain((-104.0, 40.0, -10.0), (34.0, 20.0, 20.0), (0.0, 0.0, -30.0)),
        Domain((100.0, 52.0, -8.0), (38.0, 16.0, 16.0), (0.0, 0.0, 35.0)),
        Domain((10.0, -30.0, -88.0), (60.0, 50.0, 30.0), density=1.2),
    )
    small = (
        Domain((4.0, -34.0, 62.0), (66.0, 68.0, 40.0), (0.0, 8.0, 0.0), density=NUCLEIC_ACID),
        Domain((-8.0, 66.0, 66.0), (48.0, 36.0, 34.0), density=1.3),
        Domain((58.0, -8.0, 52.0), (30.0, 36.0, 22.0), density=1.2),
        Domain((-30.0, 104.0, 74.0), (18.0, 20.0, 16.0)),
        Domain((-20.0, -104.0, 58.0), (24.0, 26.0, 20.0)),
    )
    return Model(large + small, "C1", 3.3e6 * 1.25, texture=0.55, seed=4)


def _thyroglobulin() -> Model:
    unit = (
        Domain((22.0, 16.0, -22.0), (27.0, 24.0, 32.0)),
        Domain((46.0, -14.0, 24.0), (34.0, 22.0, 22.0), (0.0, 0.0, -20.0)),
        Domain((80.0, 14.0, 6.0), (26.0, 24.0, 20.0), (0.0, 30.0, 40.0)),
        Domain((62.0, 48.0, -24.0), (28.0, 18.0, 17.0), (0.0, 0.0, 60.0)),
        Domain((106.0, -10.0, 20.0), (22.0, 16.0, 15.0), (0.0, 0.0, -35.0)),
        Domain((30.0, 62.0, 14.0), (18.0, 15.0, 15.0)),
    )
    return Model(unit, "C2", 660e3, texture=0.3, seed=5, doubt=12.0)


def _virus_like_particle() -> Model:
    # dimers sit on the edges of a truncated icosahedron: 30 on twofold axes, 60 around the twelve fivefold ones
    turns = Rotation.create_group("I").as_rotvec()
    turns = turns[np.isclose(np.linalg.norm(turns, axis=1), 2 * np.pi / 5)]
    corners = turns / np.linalg.norm(turns, axis=1, keepdims=True)
    corner = corners[0]
    first = corners[np.isclose(corners @ corner, 5**-0.5)][0]
    second = corners[np.isclose(corners @ corner, 5**-0.5) & np.isclose(corners @ first, 5**-0.5)][0]
    dimers = (
        _tile(134.0, corner + first, corner - first, (27.0, 34.0, 13.0)),
        _tile(134.0, 4 * corner + first + second, first - second, (27.0, 34.0, 13.0)),
    )
    return Model(dimers, "I", 2.5e6, texture=0.15, seed=6)


MODELS: dict[str, Callable[[], Model]] = {
    "apo-ferritin": _apo_ferritin,
    "beta-amylase": _beta_amylase,
    "beta-galactosidase": _beta_galactosidase,
    "ribosome": _ribosome,
    "thyroglobulin": _thyroglobulin,
    "virus-like-particle": _virus_like_particle,
}


@cache
def built_in(name: str) -> Model:
    """Return the model of one of the species in `MODELS`."""
    return MODELS[name]()


def distractor(rng: np.random.Generator) -> Beads:
    """Return a random protein of 60-700 kDa: a few touching domains, repeated by a random small point group."""
    symmetry = str(rng.choice(["C1", "C1", "C2", "C3", "D2"]))
    copies = len(Rotation.create_group(symmetry))
    mass = float(np.exp(rng.uniform(np.log(60e3), np.log(700e3))))
    number = int(rng.integers(1, 4)) if copies > 1 else int(rng.integers(1, 7))
    radius = (mass / (0.81 * copies * number) * 3 / (4 * np.pi)) ** (1 / 3)
    centre = rng.normal(size=3) * (0.0 if copies == 1 else radius)
    domains = []
    for _ in range(number):
        axes = radius * np.exp(rng.normal(0, 0.25, 3))
        turn = rng.uniform(-180, 180, 3)
        domains.append(Domain(tuple(centre), tuple(axes), tuple(turn)))
        step = rng.normal(size=3)
        centre = centre + 1.7 * radius * step / np.linalg.norm(step)
    return assemble(domains, symmetry, mass, texture=0.3, seed=int(rng.integers(2**31)))
