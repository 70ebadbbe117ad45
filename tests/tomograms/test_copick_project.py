import json
import logging
import shutil

import numpy as np
import pytest

from tests.tomograms.trees import (
    VOXEL_SIZE,
    grey,
    picks_folder,
    set_voxel_size,
    volume_folder,
    write_config,
    write_tree,
)
from tomograms.dataset import open_dataset, open_recorded
from tomograms.errors import InputError
from tomograms.particles import CZII, Particle
from tomograms.picks import write_pick_set
from tomograms.tomogram import normalise

MINIMAL = {"pickable_objects": [{"name": "a", "label": 1, "radius": 9}], "overlay_root": "a"}
PICKS = {"ribosome": [(50, 40, 30), (10, 20, 30.5)], "apo-ferritin": [(0, 0, 0)]}


@pytest.fixture
def root(tmp_path):
    return write_tree(tmp_path, {"TS_2": PICKS, "TS_1": {"thyroglobulin": [(5, 6, 7)]}, "TS_3": {}})


def test_other_libraries_do_not_tell_what_they_do(root):
    """As matplotlib did, in the middle of a command: ``generated new fontManager``."""
    logging.getLogger().setLevel(logging.INFO)  # as copick sets it where it is imported
    open_dataset(write_config(root / "project.json"))
    assert not logging.getLogger("matplotlib.font_manager").isEnabledFor(logging.INFO)


@pytest.mark.parametrize("prefix", ["", "curation_0_"])
def test_a_kaggle_tree_reads_the_same_through_copick(root, prefix):
    kaggle = open_dataset(root)
    expected = {run: (kaggle.tomogram(run), kaggle.picks(run)) for run in kaggle.runs("train")}
    for file in list(root.glob("train/overlay/ExperimentRuns/*/Picks/*.json")):
        file.rename(file.with_name(prefix + file.name))
    project = open_dataset(write_config(root / "project.json"))
    assert project.runs("train") == ("TS_1", "TS_2")
    assert project.runs("test") == ("TS_3",)
    assert project.particles == CZII
    assert not project.simulated
    for run, (tomogram, picks) in expected.items():
        assert np.array_equal(project.tomogram(run).volume, tomogram.volume)
        assert project.tomogram(run).voxel_size == tomogram.voxel_size == project.voxel_size(run) == VOXEL_SIZE
        assert project.shape(run) == tomogram.volume.shape
        assert project.picks(run).equals(picks)
    runs = kaggle.runs("train")
    assert project.fingerprint(runs) == kaggle.fingerprint(runs)


def test_a_project_that_copick_itself_wrote(tmp_path):
    import copick

    config = write_config(
        tmp_path / "project.json",
        overlay_root=str(tmp_path / "project"),
        static_root=None,
        pickable_objects=[
            {"name": "rna-polymerase", "is_particle": True, "label": 4, "radius": 70, "color": [1, 2, 3, 255]},
            {"name": "membrane", "is_particle": False, "label": 9, "color": [1, 2, 3, 255]},
        ],
    )
    run = copick.from_file(str(config)).new_run("A")
    tomogram = run.new_voxel_spacing(12.5).new_tomogram("wbp")
    tomogram.from_numpy(grey(3))
    positions = np.array([[20.0, 30, 40], [5, 6, 7]])
    run.new_picks(object_name="rna-polymerase", user_id="ann", session_id="1").from_numpy(positions)
    run.new_picks(object_name="membrane", user_id="ann", session_id="1").from_numpy(positions)

    data = open_dataset(config, tomogram_type="wbp")
    assert data.particles == (Particle("rna-polymerase", 1, 70.0, 1.0),)
    assert data.runs("train") == ("A",)
    assert np.array_equal(data.tomogram("A").volume, normalise(grey(3)))
    assert data.voxel_size("A") == 12.5
    assert data.picks("A")[["x", "y", "z"]].to_numpy().tolist() == [[5, 6, 7], [20, 30, 40]]
    assert open_recorded(data.record()).fingerprint(["A"]) == data.fingerprint(["A"])


def test_roots_may_be_relative_to_the_working_folder(root, monkeypatch):
    config = write_config(root / "project.json", overlay_root="train/overlay", static_root="train/static")
    monkeypatch.chdir(root)
    assert len(open_dataset(config).picks("TS_2")) == 3


def test_who_picked(root):
    folder = picks_folder(root, "TS_2")
    write_pick_set(folder / "ann_1_ribosome.json", np.array([[1.0, 2, 3]]), user="ann", session="1", run="TS_2")
    config = write_config(root / "project.json")
    with pytest.raises(InputError, match=r"expected one set of picks of ribosome, but got ann/1, curation/0"):
        open_dataset(config).picks("TS_2")
    ann = open_dataset(config, user="ann")
    assert ann.picks("TS_2").x.tolist() == [1.0]
    assert ann.runs("train") == ("TS_2",)  # nobody called ann picked in the others
    assert ann.runs("test") == ("TS_1", "TS_3")
    with pytest.raises(InputError, match=r"expected picks of user bob"):
        open_dataset(config, user="bob")


def test_an_undeclared_species(root):
    write_pick_set(picks_folder(root, "TS_2") / "ann_1_foo.json", np.ones((1, 3)), user="", session="", run="TS_2")
    with pytest.raises(InputError, match=r"ann_1_foo.json: expected one of the species .*, but got foo"):
        open_dataset(write_config(root / "project.json")).picks("TS_2")


def test_tomogram_types_and_voxel_spacings(root):
    config = write_config(root / "project.json")
    with pytest.raises(InputError, match=r"TS_2: .*: no tomogram type wbp; there are denoised$"):
        open_dataset(config, tomogram_type="wbp").tomogram("TS_2")
    with pytest.raises(InputError, match=r"TS_2: expected the voxel spacing 7.000, but got 10.000$"):
        open_dataset(config, voxel_spacing=7.0).tomogram("TS_2")
    spacing = volume_folder(root, "TS_2").parent
    shutil.copytree(spacing, spacing.parent / "VoxelSpacing7.840")
    set_voxel_size(spacing.parent / "VoxelSpacing7.840" / "denoised.zarr", 7.84)
    with pytest.raises(InputError, match=r"TS_2: expected one voxel spacing or a .*, but got 10.000, 7.840$"):
        open_dataset(config).tomogram("TS_2")
    assert open_dataset(config, voxel_spacing=7.84).voxel_size("TS_2") == pytest.approx(7.84)
    set_voxel_size(spacing / "denoised.zarr", 7.84)
    with pytest.raises(InputError, match=r"TS_2.*10.000 Å within 1 %, but its metadata say 7.84 Å$"):
        open_dataset(config, voxel_spacing=10.0).voxel_size("TS_2")


def test_zarr_format_3(root):
    volume = volume_folder(root, "TS_2")
    shutil.rmtree(volume)
    volume.mkdir()
    (volume / "zarr.json").write_text("{}")
    with pytest.raises(InputError, match=r"denoised.zarr(: expected Zarr format 2|/zarr.json: expected OME-NGFF)"):
        open_dataset(write_config(root / "project.json")).tomogram("TS_2")


def test_an_unknown_run(root):
    with pytest.raises(InputError, match=r"expected a run named TS_9, but there are TS_1, TS_2, TS_3"):
        open_dataset(write_config(root / "project.json")).tomogram("TS_9")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON"),
        ("[]", "expected a copick config"),
        ("{}", "expected a copick config"),
        (json.dumps({"pickable_objects": [], "overlay_root": "a"}), "expected at least one pickable object"),
        (json.dumps({**MINIMAL, "pickable_objects": ["ribosome"]}), "expected pickable objects with a name"),
        (json.dumps({**MINIMAL, "pickable_objects": [{"name": "a"}]}), "expected pickable objects with a name"),
        (
            json.dumps(
                {**MINIMAL, "pickable_objects": [{"name": "a", "label": 1, "radius": 9, "metadata": {"weight": "x"}}]}
            ),
            "expected a weight of at least 0 for a, but got 'x'",
        ),
        (
            json.dumps({**MINIMAL, "config_type": "filesystem"}),
            "expected a copick config that copick can open",
        ),
        (
            json.dumps({**MINIMAL, "config_type": "cryoet_data_portal"}),
            "expected a copick config that copick can open, but it says of a: .* CopickConfigCDP",
        ),
    ],
)
def test_what_is_no_config(tmp_path, content, message):
    config = tmp_path / "project.json"
    config.write_text(content)
    with pytest.raises(InputError, match=rf"project.json: {message}") as caught:
        open_dataset(config)
    assert "\n" not in str(caught.value)


def test_a_project_without_runs(tmp_path):
    for name in ("overlay", "static"):
        (tmp_path / f"train/{name}/ExperimentRuns").mkdir(parents=True)
    with pytest.raises(InputError, match=r"project.json: expected at least one run"):
        open_dataset(write_config(tmp_path / "project.json"))


def test_all_names_are_known_without_reading_picks(root):
    next(picks_folder(root, "TS_2").glob("*.json")).write_text("damaged")
    assert open_dataset(write_config(root / "project.json")).source.names() == ("TS_1", "TS_2", "TS_3")


def test_tomograms_lie_where_copick_finds_them(root, tmp_path):
    """In the static folder or the overlay; what is no voxel spacing and no tomogram is passed over."""
    import copick

    config = write_config(root / "project.json")
    spacing = volume_folder(root, "TS_2").parent
    (spacing / "denoised_sam_features.zarr").mkdir()
    (spacing / ".hidden.zarr").mkdir()
    (spacing.parent / "VoxelSpacingNone").mkdir()
    overlay = root / "train/overlay/ExperimentRuns/TS_2/VoxelSpacing10.000/wbp.zarr"
    shutil.copytree(volume_folder(root, "TS_3"), overlay)
    for tomogram_type, path in {"denoised": volume_folder(root, "TS_2"), "wbp": overlay}.items():
        assert open_dataset(config, tomogram_type=tomogram_type).source.volume("TS_2").source == str(path)
    (spacing.parent / "VoxelSpacingNone").rmdir()  # copick fails on it
    known = copick.from_file(str(config)).get_run("TS_2").voxel_spacings[0].tomograms
    with pytest.raises(InputError, match=f"there are {', '.join(sorted(one.tomo_type for one in known))}"):
        open_dataset(config, tomogram_type="raw").shape("TS_2")


@pytest.mark.parametrize(
    ("roots", "message"),
    [
        ({"static_root": "local:///nowhere/static"}, "expected a folder as static_root, but /nowhere/static is none$"),
        ({"static_root": "nowhere"}, "expected a folder as static_root, but .*/nowhere is none$"),
        (
            {"overlay_root": "local://$MINE/overlay"},
            r"overlay_root, but .*/\$MINE/overlay is none; copick does not put",
        ),
        ({"overlay_root": __file__}, "expected a folder as overlay_root, but .*test_copick_project.py is none"),
    ],
)
def test_a_root_that_is_no_folder_is_refused(root, roots, message):
    with pytest.raises(InputError, match=message):
        open_dataset(write_config(root / "project.json", **roots))


def test_an_overlay_may_have_to_be_made(root):
    project = open_dataset(write_config(root / "project.json", overlay_root=f"local://{root}/later"))
    assert project.runs("test") == ("TS_1", "TS_2", "TS_3")
