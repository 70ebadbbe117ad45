import numpy as np
import pytest

import tomograms.phantom
from tests.tomograms.blob_detector import blobs
from tomograms.dataset import open_dataset
from tomograms.errors import InputError
from tomograms.particles import CZII
from tomograms.phantom import RUNS, Phantom, phantom_root, simulate, write_phantom
from tomograms.picks import join_truth

SMALL = Phantom(shape=(16, 40, 40), margin=4, strangers=3, counts={"apo-ferritin": (2, 3), "ribosome": (1, 2)})
NUMBERS = {"train": (1, 2), "test": (101,)}


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(tomograms.phantom, "Phantom", lambda: SMALL)
    monkeypatch.setattr(tomograms.phantom.write_phantom, "__kwdefaults__", {"runs": NUMBERS})


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
        assert data.tomogram(run).volume.shape == SMALL.shape
        assert data.has_picks(run)
    assert set(data.picks("PH_1").particle_type) <= set(SMALL.counts)


def test_a_killed_process_leaves_nothing_that_is_taken_for_the_phantom(tmp_path, small, monkeypatch):
    def killed(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(tomograms.phantom, "write_run", killed)
    with pytest.raises(KeyboardInterrupt):
        phantom_root(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    (tmp_path / ".phantom-left-by-sigkill").mkdir()
    monkeypatch.setattr(tomograms.phantom, "Phantom", lambda: SMALL)
    monkeypatch.setattr(tomograms.phantom.write_phantom, "__kwdefaults__", {"runs": NUMBERS})
    assert open_dataset(phantom_root(tmp_path)).runs("test") == ("PH_101",)


def test_another_process_may_be_faster(tmp_path, small, monkeypatch):
    def beaten(root, phantom, **options):
        write_phantom(root, phantom, runs=NUMBERS)
        if not (tmp_path / "first").exists():
            (tmp_path / "first").touch()
            phantom_root(tmp_path)

    monkeypatch.setattr(tomograms.phantom, "write_phantom", beaten)
    assert open_dataset(phantom_root(tmp_path)).runs("test") == ("PH_101",)


def test_runs_differ_and_each_follows_from_its_seed():
    (one, picks), (again, same), (other, _) = simulate(SMALL, 1), simulate(SMALL, 1), simulate(SMALL, 2)
    assert np.array_equal(one, again)
    assert all(np.array_equal(picks[name], same[name]) for name in picks)
    assert not np.allclose(one, other)
    assert sum(map(len, RUNS.values())) == 9
    assert not set(RUNS["train"]) & set(RUNS["test"])


def test_an_unwritable_cache_is_no_surprise(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((InputError, OSError)):
        phantom_root(tmp_path / "file")


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom")
    write_phantom(root, Phantom(), runs={"train": (1, 2)})
    return open_dataset(root)


def test_every_species_occurs_and_grey_values_are_like_real_ones(two_runs):
    tomogram = two_runs.tomogram("PH_1")
    assert tomogram.volume.shape == (48, 160, 160)
    assert set(two_runs.picks("PH_1").particle_type) == {p.name for p in CZII}
    low, high = np.percentile(tomogram.volume, [0.1, 99.9])
    assert -12 <= low < -4
    assert 2 < high <= 6


def test_picks_sit_on_dark_particles(two_runs):
    from tomograms.coordinates import to_index

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
    for factor in (0.5, 1.0):
        found = concatenate([blobs(tomogram, CZII, factor=factor) for tomogram in tomograms])
        for particle in CZII:
            best[particle.name] = max(best[particle.name], *sweep(truth, found, particle).f_beta)
    score = sum(p.weight * best[p.name] for p in CZII) / sum(p.weight for p in CZII)
    assert 0.1 < score <= 0.5
