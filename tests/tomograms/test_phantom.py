from dataclasses import fields, replace

import numpy as np
import pytest

import tomograms.phantom
import tomograms.simulator.writing
from tests.tomograms.blob_detector import blobs
from tomograms.coordinates import to_index
from tomograms.dataset import open_dataset
from tomograms.errors import InputError
from tomograms.particles import CZII
from tomograms.phantom import PHANTOM, PHANTOM_SEED, RUNS, SHAPE, phantom_root, write_phantom
from tomograms.picks import join_truth
from tomograms.simulator.settings import TRAINING, Settings

SMALL = (16, 40, 40)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(tomograms.phantom, "SHAPE", SMALL)
    monkeypatch.setattr(tomograms.phantom, "RUNS", {"train": ("PH_1", "PH_2"), "test": ("PH_101",)})
    monkeypatch.setattr(tomograms.phantom, "PHANTOM", replace(PHANTOM, step=(8, 8)))


def test_it_is_made_once_and_read_like_any_tree(tmp_path, small):
    root = phantom_root(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert phantom_root(tmp_path) == root
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert [path.name for path in tmp_path.iterdir()] == [root.name]
    data = open_dataset(root)
    assert data.simulated
    assert (data.runs("train"), data.runs("test")) == (("PH_1", "PH_2"), ("PH_101",))
    for run in (*data.runs("train"), *data.runs("test")):
        assert data.tomogram(run).volume.shape == SMALL
        assert data.has_picks(run)
    assert set(data.picks("PH_1").particle_type) <= {p.name for p in CZII}


def test_a_killed_process_leaves_nothing_that_is_taken_for_the_phantom(tmp_path, small, monkeypatch):
    def killed(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tomograms.simulator.writing, "write_run", killed)
        with pytest.raises(KeyboardInterrupt):
            phantom_root(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".phantom-left-by-sigkill").mkdir()
    assert open_dataset(phantom_root(tmp_path)).runs("test") == ("PH_101",)


def test_another_process_may_be_faster(tmp_path, small, monkeypatch):
    def beaten(root):
        write_phantom(root)
        if not (tmp_path / "first").exists():
            (tmp_path / "first").touch()
            phantom_root(tmp_path)

    monkeypatch.setattr(tomograms.phantom, "write_phantom", beaten)
    assert open_dataset(phantom_root(tmp_path)).runs("test") == ("PH_101",)


def test_it_does_not_depend_on_the_number_of_threads(tmp_path, small):
    import torch

    threads = torch.get_num_threads()
    prints = []
    for number in (1, 2):
        torch.set_num_threads(number)
        root = phantom_root(tmp_path / str(number))
        assert torch.get_num_threads() == number
        prints.append([open_dataset(root).tomogram(run).volume for run in ("PH_1", "PH_2", "PH_101")])
    torch.set_num_threads(threads)
    assert np.array_equal(prints[0], prints[1])
    assert not np.allclose(prints[0][0], prints[0][1])  # runs differ


def test_an_unwritable_cache_is_no_surprise(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((InputError, OSError)):
        phantom_root(tmp_path / "file")


def test_pre_training_draws_no_such_settings():
    """Ranges that do not even touch those of training; the docstring of PHANTOM names them."""
    apart = set()
    for field in fields(Settings):
        if field.name not in ("voxel_size", "counts"):
            (low, high), (wide_low, wide_high) = getattr(PHANTOM, field.name), getattr(TRAINING, field.name)
            if high < wide_low or low > wide_high:
                apart.add(field.name)
    assert apart == {"crowding", "vesicles", "gold", "thickness", "step", "defocus"}
    assert PHANTOM_SEED > 2**20  # far from the small numbers that people type


def test_seven_and_two_runs():
    assert [len(names) for names in RUNS.values()] == [7, 2]
    assert not set(RUNS["train"]) & set(RUNS["test"])


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tomograms.phantom, "RUNS", {"train": RUNS["train"][:2]})
        write_phantom(root)
    return open_dataset(root)


def test_every_species_occurs_several_times_and_grey_values_are_like_real_ones(two_runs):
    for run in two_runs.runs("train"):
        tomogram = two_runs.tomogram(run)
        assert tomogram.volume.shape == SHAPE
        numbers = two_runs.picks(run).particle_type.value_counts()
        assert set(numbers.index) == {p.name for p in CZII} and numbers.min() >= 3
        low, high = np.percentile(tomogram.volume, [0.1, 99.9])
        assert -12 <= low < -7
        assert 2.5 < high <= 6


def test_picks_sit_on_dark_particles(two_runs):
    tomogram, picks = two_runs.tomogram("PH_1"), two_runs.picks("PH_1")
    index = to_index(picks.loc[picks.particle_type == "ribosome", ["x", "y", "z"]], tomogram.voxel_size)
    inner = index[(index > 3).all(axis=1) & (index < np.array(tomogram.volume.shape) - 4).all(axis=1)]
    means = [tomogram.volume[tuple(slice(i - 3, i + 4) for i in row)].mean() for row in np.round(inner).astype(int)]
    assert np.mean(means) < -1


def test_a_blob_detector_does_not_solve_it(two_runs):
    """Even with scale and threshold chosen on the very runs that it is scored on, per species."""
    from evaluation.thresholds import sweep
    from postproc.candidates import concatenate

    tomograms = [two_runs.tomogram(run) for run in two_runs.runs("train")]
    truth = join_truth([two_runs.picks(run) for run in two_runs.runs("train")])
    best = dict.fromkeys([p.name for p in CZII], 0.0)
    for factor in (0.7, 1.2):  # tried from 0.35 to 1.5; these are the best
        found = concatenate([blobs(tomogram, CZII, factor=factor) for tomogram in tomograms])
        for particle in CZII:
            best[particle.name] = max(best[particle.name], *sweep(truth, found, particle).f_beta)
    score = sum(p.weight * best[p.name] for p in CZII) / sum(p.weight for p in CZII)
    assert 0.1 < score <= 0.5
