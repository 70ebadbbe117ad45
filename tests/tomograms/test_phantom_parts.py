import numpy as np
import pytest

from tests.tomograms.trees import VOXEL_SIZE
from tomograms.coordinates import inside
from tomograms.particles import CZII, by_name
from tomograms.phantom_imaging import image, splat, transfer
from tomograms.phantom_scene import Crowd, populate
from tomograms.phantom_shapes import bead, shell, solid, species, stranger, vesicle

SHAPE = (24, 64, 64)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_every_species_is_about_its_centre_of_mass_and_of_its_size():
    assert set(species()) == set(by_name(CZII))
    for name, body in species().items():
        np.testing.assert_allclose(np.average(body.atoms, axis=0, weights=body.mass), 0, atol=1e-9)
        radius = np.linalg.norm(body.atoms, axis=1).max()
        assert 0.9 < radius / by_name(CZII)[name].radius < 1.15


@pytest.mark.parametrize(
    ("name", "kilodalton"),
    [("apo-ferritin", 480), ("beta-amylase", 224), ("beta-galactosidase", 465), ("thyroglobulin", 660)],
)
def test_masses_are_the_published_ones(name, kilodalton):
    assert species()[name].mass.sum() / 1.21e3 == pytest.approx(kilodalton, rel=0.16)


def test_symmetries():
    galactosidase, thyroglobulin = species()["beta-galactosidase"].atoms, species()["thyroglobulin"].atoms

    def moments(atoms):
        return (atoms.T @ atoms) / len(atoms)

    second = moments(galactosidase)
    assert np.abs(second - np.diag(np.diag(second))).max() < 0.05 * second.max()  # D2: no mixed moments
    mixed = moments(thyroglobulin)
    assert abs(mixed[0, 2]) + abs(mixed[1, 2]) < 0.05 * mixed.max()  # C2 about z: xy only


def test_shells_are_hollow_for_density_and_full_for_others():
    body = shell(60, 40)
    assert np.linalg.norm(body.atoms, axis=1).min() >= 40
    assert np.linalg.norm(body.space, axis=1).min() < 6
    ball = solid([[0, 0, 0]], [[60]])
    assert len(body.space) == pytest.approx(len(ball.atoms), rel=0.02)


def test_the_denser_solid_counts_where_two_overlap():
    body = solid([[0, 0, 0], [0, 0, 0]], [[30.0], [15.0]], density=[1.0, 3.0])
    volume = 4 / 3 * np.pi * np.array([30.0, 15.0]) ** 3
    assert body.mass.sum() == pytest.approx(volume[0] - volume[1] + 3 * volume[1], rel=0.05)


@pytest.mark.parametrize("make", [stranger, vesicle])
def test_bodies_by_chance_are_reproducible(make):
    for seed in range(8):
        one, two = make(rng(seed)), make(rng(seed))
        assert np.array_equal(one.atoms, two.atoms)
        assert len(one.atoms) == len(one.mass) > 100


def test_splat_keeps_mass_and_centre():
    atoms = rng().uniform(30, 100, (500, 3))
    mass = rng(1).uniform(1, 2, 500)
    volume = splat(atoms, mass, (14, 15, 16), 10.0).astype(float)
    assert volume.sum() * 10.0**3 == pytest.approx(mass.sum(), rel=1e-5)
    centre = [(volume * axis).sum() / volume.sum() for axis in np.indices(volume.shape)]
    np.testing.assert_allclose(centre[::-1], np.average(atoms, axis=0, weights=mass) / 10.0, atol=1e-4)


def test_splat_by_hand():
    volume = splat(np.array([[10.0, 20.0, 25.0], [-50.0, 0.0, 0.0]]), np.array([8.0, 1.0]), (4, 4, 4), 10.0)
    expected = np.zeros((4, 4, 4))
    expected[2, 2, 1] = expected[3, 2, 1] = 8.0 / 2 / 1000  # halfway between z = 2 and 3; the other atom is outside
    np.testing.assert_allclose(volume, expected, atol=1e-9)


def test_no_two_bodies_touch_in_a_crowd():
    crowd = Crowd(np.zeros(3), np.full(3, 900.0), 10.0, rng())
    ball = solid([[0, 0, 0]], [[60.0]])
    centres = [pose[1] for _ in range(200) if (pose := crowd.place(ball)) is not None]
    assert 50 < len(centres) < 200  # it was crowded
    distance = np.linalg.norm(np.array(centres)[:, None] - centres, axis=-1)
    assert distance[np.triu_indices(len(centres), 1)].min() > 110  # 2 x 60 Å, less the grids' steps


def scene(seed=0, **counts):
    counts = counts or {"apo-ferritin": (3, 6), "ribosome": (2, 3)}
    ranges = {name: value if isinstance(value, tuple) else (value, value) for name, value in counts.items()}
    return populate(SHAPE, VOXEL_SIZE, margin=6, counts=ranges, strangers=8, rng=rng(seed))


def test_truth_lies_inside_and_is_reproducible():
    one, two, other = scene(), scene(), scene(1)
    assert set(one.truth) == {"apo-ferritin", "ribosome"}
    for name in one.truth:
        assert np.array_equal(one.truth[name], two.truth[name])
        assert inside(one.truth[name], SHAPE, VOXEL_SIZE).all()
    assert not np.array_equal(one.truth["apo-ferritin"], other.truth["apo-ferritin"])
    assert sum(map(len, one.atoms)) == sum(map(len, one.mass))


def test_the_truth_is_the_centre_of_mass_of_a_body():
    placed = scene()
    centres = [np.average(atoms, axis=0, weights=mass) for atoms, mass in zip(placed.atoms, placed.mass, strict=True)]
    for truth in placed.truth.values():
        for centre in truth:
            assert np.linalg.norm(centres - centre, axis=1).min() < 1e-6


def test_counts_hold_per_volume_where_there_is_room():
    found = [len(scene(seed, **{"apo-ferritin": 6}).truth["apo-ferritin"]) for seed in range(5)]
    assert 3 < np.mean(found) < 7


def test_the_missing_wedge_is_empty_and_lies_about_the_tilt_axis_y():
    passed = transfer((40, 32, 40), 10.0, max_tilt=48, step=3)
    assert passed.shape == (40, 32, 21)
    kz, kx = np.fft.fftfreq(40)[:, None], np.fft.rfftfreq(40)
    angle = np.degrees(np.arctan2(np.abs(kz), kx))
    radius = np.hypot(kz, kx)
    missing = (angle > 58) & (radius > 0.2)
    strongest = passed.max()
    assert passed.swapaxes(1, 2)[missing].max() < 0.05 * strongest
    assert passed[0, :, 0].max() > 0.2 * strongest  # the tilt axis itself is in every projection
    low, high = (
        (angle < 15) & (radius > 0.1) & (radius < 0.2),
        (angle > 38) & (angle < 46) & (radius > 0.1) & (radius < 0.2),
    )
    assert passed[:, 0][high].max() < 0.85 * passed[:, 0][low].max()  # high tilts weigh less


def test_an_image_is_dark_where_there_is_protein_and_has_real_grey_values():
    density = np.zeros((32, 48, 48), np.float32)
    density[12:20, 20:28, 20:28] = 1
    volume = image(density, 10.0, noise=0.2, max_tilt=48, step=3, rng=rng())
    assert volume.dtype == np.float32
    assert volume.std() == pytest.approx(7e-6, rel=1e-3)
    assert volume[14:18, 22:26, 22:26].mean() < -2e-5
    again = image(density, 10.0, noise=0.2, max_tilt=48, step=3, rng=rng())
    assert np.array_equal(volume, again)


def test_gold_is_the_darkest():
    assert bead().mass.max() > 3 * max(body.mass.max() for body in species().values())
