"""Further tomogram types of the training runs, through the whole command; a held-out run is seen in none."""

import shutil

import numpy as np
import pytest

from evaluation.cv import main
from evaluation.run_directory import open_run
from evaluation.tomogram_types import open_types
from tests.evaluation.test_cv import NAMES, SHAPE, VOXEL_SIZE, cv, data  # noqa: F401
from tests.evaluation.toy_member import ToyMember
from tomograms.dataset import open_dataset
from tomograms.errors import InputError, run_command
from tomograms.files import read_json, write_json
from tomograms.kaggle_tree import SPACING
from tomograms.ome_zarr import write_volume

TYPES = ("wbp", "isonetcorrected")
EXTRA = ("--extra-tomo-types", *TYPES)


def folder(root, run, kind):
    return root / "train/static/ExperimentRuns" / run / SPACING / f"{kind}.zarr"


@pytest.fixture
def typed(data):  # noqa: F811
    """Return a Kaggle tree with three types of each run; the grey values tell which is which."""
    for number, run in enumerate(NAMES):
        for level, kind in enumerate(TYPES, start=1):
            volume = np.random.default_rng([number, level]).normal(level, 1, SHAPE).astype(np.float32)
            write_volume(folder(data, run, kind), volume, VOXEL_SIZE)
    return data


@pytest.fixture
def quick(monkeypatch):
    """Leave the report out."""
    monkeypatch.setattr("evaluation.cross_validation.summarise", lambda *arguments, **options: None)


@pytest.fixture
def seen(monkeypatch):
    """Return what each training was given, by fold."""
    given = {}
    fit = ToyMember.fit

    def note(self, training, advance):
        given[training.directory.parent.name] = training
        return fit(self, training, advance)

    monkeypatch.setattr(ToyMember, "fit", note)
    return given


def test_folds_train_on_every_type_and_never_see_the_held_out_run(typed, seen, capsys):
    assert cv(*EXTRA) == 0
    assert "training tomograms in the types denoised, wbp, isonetcorrected" in capsys.readouterr().out
    dataset = open_dataset(typed)
    for held_out in NAMES:
        training = seen[held_out]
        train, picks = {t.name: t for t in training.tomograms}, training.picks
        looked_at = training.validation.tomogram
        others = [run for run in NAMES if run != held_out]
        assert list(train) == [name for run in others for name in (run, f"{run}@wbp", f"{run}@isonetcorrected")]
        assert not [name for name in (*train, *picks["experiment"]) if name.startswith(held_out)]
        assert looked_at.name == held_out
        assert np.array_equal(looked_at.volume, dataset.tomogram(held_out).volume)
        for run in others:
            truth = dataset.picks(run).drop(columns="experiment")
            for name in (run, f"{run}@wbp", f"{run}@isonetcorrected"):
                own = picks[picks["experiment"] == name].drop(columns="experiment").reset_index(drop=True)
                assert own.equals(truth) and len(own)
            wbp = open_dataset(typed, tomogram_type="wbp").tomogram(run)
            assert np.array_equal(train[f"{run}@wbp"].volume, wbp.volume)
            assert not np.array_equal(train[run].volume, wbp.volume)
    run = open_run(typed.parent / "runs/a")
    assert run.record.extra_tomogram_types == TYPES and read_json(run.path / "run.json")[
        "extra_tomogram_types"
    ] == list(TYPES)
    assert set(run.candidates()["experiment"]) == set(run.truth()["experiment"]) == set(NAMES)


def test_other_types_of_the_held_out_run_change_nothing_of_its_fold(typed, quick):
    cv(*EXTRA)
    volume = np.random.default_rng(99).normal(5, 2, SHAPE).astype(np.float32)
    shutil.rmtree(folder(typed, "TS_1", "wbp"))
    write_volume(folder(typed, "TS_1", "wbp"), volume, VOXEL_SIZE)
    cv(*EXTRA, "--run", "b")
    before, after = (
        [(job / "weights.safetensors").read_bytes() for job in open_run(typed.parent / "runs" / name).jobs("toy")]
        for name in "ab"
    )
    assert before[0] == after[0] and before[1] != after[1] and before[2] != after[2]


def test_a_run_goes_on_with_its_types_and_refuses_others(typed, quick):
    cv(*EXTRA)
    ToyMember.fits.clear()
    assert main(["--run", "a", "--device", "cpu"]) == 0 and ToyMember.fits == []
    with pytest.raises(InputError, match=r"extra_tomogram_types = \('wbp', 'isonetcorrected'\), but is now"):
        cv("--extra-tomo-types", "wbp")
    volume = np.random.default_rng(99).normal(5, 2, SHAPE).astype(np.float32)
    shutil.rmtree(folder(typed, "TS_1", "wbp"))
    write_volume(folder(typed, "TS_1", "wbp"), volume, VOXEL_SIZE)
    with pytest.raises(InputError, match="begun with data_hash"):
        main(["--run", "a", "--device", "cpu"])


def test_a_run_from_before_there_were_types_goes_on(typed, quick):
    cv()
    path = typed.parent / "runs/a/run.json"
    record = read_json(path)
    del record["extra_tomogram_types"]
    write_json(path, record)
    ToyMember.fits.clear()
    assert main(["--run", "a", "--device", "cpu"]) == 0 and ToyMember.fits == []
    with pytest.raises(InputError, match=r"extra_tomogram_types = \(\), but is now"):
        cv(*EXTRA)


@pytest.mark.parametrize(
    ("types", "said"),
    [
        (["wbp"], "TS_2"),
        (["denoised"], "other than denoised"),
        (["isonetcorrected", "isonetcorrected"], "distinct"),
        (["ctfdeconvolved"], "there are denoised, isonetcorrected, wbp"),
    ],
)
def test_wrong_types_are_one_line(typed, capsys, types, said):
    shutil.rmtree(folder(typed, "TS_2", "wbp"))
    with pytest.raises(SystemExit) as end:
        options = ["--data", "data", "--fold-file", "folds.yaml", "--members", "toy"]
        run_command(main, [*options, "--extra-tomo-types", *types])
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.count("\n") == 1 and said in error
    assert not (typed.parent / "runs").exists()


def test_a_run_that_only_is_held_out_needs_no_further_type(typed):
    shutil.rmtree(folder(typed, "TS_3", "wbp"))
    dataset = open_dataset(typed)
    both = open_types(dataset, ["wbp"], ["TS_1"])
    tomograms, picks = both.training(["TS_1"])
    assert [t.name for t in tomograms] == ["TS_1", "TS_1@wbp"] == sorted(set(picks["experiment"]))
    assert open_types(dataset, ()).fingerprint(runs=NAMES, train=NAMES) == dataset.fingerprint(NAMES)
    assert both.fingerprint(runs=NAMES, train=["TS_1"]) != dataset.fingerprint(NAMES)
