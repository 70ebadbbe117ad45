import warnings
from dataclasses import replace

import mrcfile
import numpy as np
import pytest

from tomograms.errors import InputError
from tomograms.particles import CZII, Particle
from tomograms.simulator.library import MAP_MASS, MEASURED, MOST_OTHERS, built_in_species, mixed_species
from tomograms.simulator.maps import isolate, read_others, read_species

VOXEL_SIZE = 10.0
RIBOSOME = CZII[3:4]


def blobs(size=48, voxel_size=6.0):
    """Two unequal balls of density 3 on a background of 1."""
    z, y, x = (np.indices((size,) * 3) - size / 2) * voxel_size
    grid = np.ones((size,) * 3, np.float32)
    grid[z**2 + y**2 + x**2 < 60**2] = 3
    grid[(z - 40) ** 2 + (y - 60) ** 2 + x**2 < 30**2] = 3
    return grid


def write(path, grid, voxel_size=6.0):
    with mrcfile.new(path) as file:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of NaN
            file.set_data(grid.astype(np.float32))
        file.voxel_size = voxel_size


def test_a_map_at_another_voxel_size_is_resampled(tmp_path):
    fine, coarse = blobs(96, 3.0), blobs(48, 6.0)
    read = []
    for folder, grid, size in [(tmp_path / "fine", fine, 3.0), (tmp_path / "coarse", coarse, 6.0)]:
        folder.mkdir()
        write(folder / "ribosome.mrc", grid, size)
        (species,) = read_species(folder, RIBOSOME, VOXEL_SIZE)
        read.append(species.density)
    assert species.name == "ribosome"
    size = min(map(len, read))
    a, b = (d[(len(d) - size) // 2 :][:size, :, :] for d in read)
    a, b = (d[:, (d.shape[1] - size) // 2 :, (d.shape[2] - size) // 2 :][:, :size, :size] for d in (a, b))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99
    volume = 4 / 3 * np.pi * (60**3 + 30**3)  # the smaller ball overlaps the larger one a little
    assert a.sum() == pytest.approx(0.81 * volume, rel=0.1) and b.sum() == pytest.approx(a.sum(), rel=0.05)


def test_axes_in_another_order_are_put_right(tmp_path):
    grid = blobs()
    read = []
    for name, order in [("a", (1, 2, 3)), ("b", (3, 1, 2))]:  # columns, rows, sections
        (tmp_path / name).mkdir()
        path = tmp_path / name / "ribosome.mrc"
        write(path, grid.transpose([3 - axis for axis in order[::-1]]))
        with mrcfile.open(path, "r+") as file:
            file.header.mapc, file.header.mapr, file.header.maps = order
        read.append(read_species(tmp_path / name, RIBOSOME, VOXEL_SIZE)[0].density)
    assert np.allclose(*read, atol=1e-3 * read[0].max())


def test_dust_is_left_out_and_packed_files_are_read(tmp_path):
    grid = blobs()
    grid[2:4, 2:4, 2:4] = 3
    with mrcfile.new(tmp_path / "ribosome.map.gz", compression="gzip") as file:
        file.set_data(grid)
        file.voxel_size = 6.0
    (species,) = read_species(tmp_path, RIBOSOME, VOXEL_SIZE)
    assert species.reach < 120 and len(species.density) * VOXEL_SIZE < 280


def test_a_packed_map_that_is_cut_off_or_complex_is_one_line(tmp_path):
    path = tmp_path / "ribosome.mrc.gz"
    for grid, kept, words in ((blobs(), -300, "it cannot be read"), (blobs().astype(np.complex64), None, "complex64")):
        with mrcfile.new(path, compression="gzip", overwrite=True) as file:
            file.set_data(grid)
            file.voxel_size = 6.0
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(InputError, match=rf"ribosome.mrc.gz: expected .*{words}"):
            read_species(tmp_path, RIBOSOME, VOXEL_SIZE)


def test_the_centre_is_that_of_the_mass():
    grid, centre, radius = isolate(blobs(), 6.0, "map")
    index = np.indices(grid.shape).reshape(3, -1)
    assert np.allclose(centre, index @ grid.ravel() / grid.sum(), atol=1e-3)
    assert 60 < radius < 110 and grid.min() == 0


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        (np.zeros((20, 20, 20)), "the map is empty"),
        (np.full((20, 20, 20), 3.5), "the map is empty"),
        (-blobs(), "the map is inverted"),
        (np.full((20, 20, 20), np.nan), "NaN or infinity"),
        (np.zeros((20, 20)), "a 3D map"),
    ],
)
def test_maps_that_cannot_be_used(tmp_path, grid, words):
    write(tmp_path / "ribosome.mrc", grid)
    with pytest.raises(InputError, match=rf"ribosome\.mrc: expected .*{words}"):
        read_species(tmp_path, RIBOSOME, VOXEL_SIZE)


def test_a_map_without_a_voxel_size(tmp_path):
    write(tmp_path / "ribosome.mrc", blobs(), 0.0)
    with pytest.raises(InputError, match="the same voxel size above 0 Å on each axis, but got"):
        read_species(tmp_path, RIBOSOME, VOXEL_SIZE)


def test_a_map_in_the_wrong_unit(tmp_path):
    write(tmp_path / "ribosome.mrc", blobs(), 6000.0)
    with pytest.raises(InputError, match="within 2000 Å of its centre, but at 6000 Å per voxel it reaches"):
        read_species(tmp_path, RIBOSOME, VOXEL_SIZE)


@pytest.mark.parametrize("voxel_size", [1.0, 30.0])
def test_a_map_whose_header_has_another_voxel_size(tmp_path, voxel_size):
    write(tmp_path / "ribosome.mrc", blobs(), voxel_size)  # 1 Å where nobody knew of one; 6 Å is right
    with pytest.raises(InputError, match=r"about 150 Å, its radius, but with its header's .* reaches \d+ Å$"):
        read_species(tmp_path, RIBOSOME, VOXEL_SIZE)


@pytest.mark.parametrize("name", ["ribosome.mrc", "ribosome.pdb", "ribosome.cif"])
def test_a_damaged_file(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x00not a map\n" * 5)
    with pytest.raises(InputError, match=rf"{name}: expected"):
        read_species(tmp_path, RIBOSOME, VOXEL_SIZE)


def test_species_missing_or_twice(tmp_path):
    write(tmp_path / "ribosome.mrc", blobs())
    with pytest.raises(InputError, match="a file named after each species, but got none for apo-ferritin"):
        read_species(tmp_path, (*RIBOSOME, CZII[0]), VOXEL_SIZE)
    write(tmp_path / "ribosome.map", blobs())
    with pytest.raises(InputError, match=r"one file per species, but got ribosome\.map, ribosome\.mrc"):
        read_species(tmp_path, RIBOSOME, VOXEL_SIZE)
    with pytest.raises(InputError, match="no such folder of maps"):
        read_species(tmp_path / "none", RIBOSOME, VOXEL_SIZE)


def atom(serial, residue, x, y, z):
    return f"ATOM  {serial:5d}  CA  ALA A{residue:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C  \n"


def test_an_atomic_model(tmp_path):
    positions = np.array([[100.0, 0, 0], [160.0, 0, 0], [100.0, 30.0, 0]])  # Å, xyz
    (tmp_path / "ribosome.pdb").write_text("".join(atom(i, i, *p) for i, p in enumerate(positions, start=1)) + "END\n")
    (species,) = read_species(tmp_path, RIBOSOME, VOXEL_SIZE)
    assert species.density.sum() == pytest.approx(3 * 12.011, rel=1e-3)
    middle = len(species.density) // 2
    for position in positions - positions.mean(axis=0):
        z, y, x = np.rint(position[::-1] / VOXEL_SIZE).astype(int) + middle
        assert species.density[z, y, x] > 0.5 * species.density.max()


def test_the_biological_assembly_is_built(tmp_path):
    operators = (
        "REMARK 350 BIOMOLECULE: 1\n"
        "REMARK 350 APPLY THE FOLLOWING TO CHAINS: A\n"
        "REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000\n"
        "REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000\n"
        "REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000\n"
        "REMARK 350   BIOMT1   2 -1.000000  0.000000  0.000000        0.00000\n"
        "REMARK 350   BIOMT2   2  0.000000 -1.000000  0.000000        0.00000\n"
        "REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000\n"
    )
    (tmp_path / "ribosome.pdb").write_text(operators + atom(1, 1, 50.0, 0, 0) + "END\n")
    (species,) = read_species(tmp_path, RIBOSOME, VOXEL_SIZE)
    assert species.density.sum() == pytest.approx(2 * 12.011, rel=1e-3)


def test_a_model_without_atoms(tmp_path):
    (tmp_path / "ribosome.pdb").write_text("REMARK nothing\nEND\n")
    with pytest.raises(InputError, match="expected atoms, but the model is empty"):
        read_species(tmp_path, RIBOSOME, VOXEL_SIZE)


def test_a_particle_without_a_built_in_model():
    with pytest.raises(InputError, match=r"expected species among .*, but got proteasome; give maps"):
        built_in_species([Particle("proteasome", 1, 80.0, 1.0)], VOXEL_SIZE)


def test_other_molecules_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("b.mrc", "a.map", "c.MRC"):
        write(tmp_path / name, blobs())
    (tmp_path / "README.txt").write_text("no map")
    assert [species.name for species in read_others(tmp_path, VOXEL_SIZE)] == ["", "", ""]
    with pytest.raises(InputError, match=r"expected a folder of maps .* but got none"):
        read_others(tmp_path / "nowhere", VOXEL_SIZE)


def test_measured_densities_are_mixed_with_variants_and_company():
    measured = tuple(
        replace(species, density=np.ones_like(species.density)) for species in built_in_species(CZII, VOXEL_SIZE)
    )
    others = [replace(measured[0], name="other", density=np.full((4, 4, 4), 7, np.float32)) for _ in range(20)]
    rng = np.random.default_rng(3)
    drawn = [mixed_species(CZII, VOXEL_SIZE, rng, measured=measured, others=others) for _ in range(60)]
    flat = [np.ptp(species[0].density) == 0 for species in drawn]
    assert abs(np.mean(flat) - MEASURED) < 0.2
    masses = [
        float(species[k].density[0, 0, 0]) for species, yes in zip(drawn, flat, strict=True) if yes for k in range(6)
    ]
    assert np.median(masses) == pytest.approx(MAP_MASS, rel=0.1) and len(set(masses)) == len(masses)
    numbers = [len(species) - len(CZII) for species in drawn]
    assert min(numbers) == 0 and max(numbers) == MOST_OTHERS
    for species in drawn:
        assert [one.name for one in species] == [particle.name for particle in CZII] + [""] * (len(species) - len(CZII))
