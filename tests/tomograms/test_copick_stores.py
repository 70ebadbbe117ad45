"""Copick projects that lie elsewhere: in memory, on a store that is gone, on the portal, in a Croissant."""

import json

import cryoet_data_portal as portal
import fsspec
import numpy as np
import pytest
import s3fs
from fsspec.implementations.memory import MemoryFileSystem

from evaluation.inspection import whose_picks
from tests.tomograms.trees import VOXEL_SIZE, grey, picks_folder, volume_folder, write_config, write_tree
from tomograms.dataset import open_dataset
from tomograms.errors import InputError
from tomograms.ome_zarr import write_volume
from tomograms.picks import write_pick_set
from tomograms.tomogram import normalise

PICKS = {"ribosome": [(50, 40, 30), (10, 20, 30.5)], "apo-ferritin": [(0, 0, 0)]}


class Gone(MemoryFileSystem):
    """A store that can be reached as long as nobody says otherwise."""

    protocol = "gone"
    down = False

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("gone://"))

    def _reach(self):
        if Gone.down:
            raise ConnectionError("no route to host\nat all")

    def cat_file(self, path, start=None, end=None, **kwargs):
        self._reach()
        return super().cat_file(path, start, end, **kwargs)

    def ls(self, path, detail=True, **kwargs):
        self._reach()
        return super().ls(path, detail, **kwargs)

    def glob(self, path, **kwargs):
        self._reach()
        return super().glob(path, **kwargs)


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path, {"TS_1": PICKS, "TS_2": {}})


@pytest.fixture(params=["memory", "gone"])
def elsewhere(request, tree):
    """A config of the tree, copied to another file system."""
    fsspec.register_implementation("gone", Gone, clobber=True)
    files = fsspec.filesystem(request.param)
    Gone.down = False
    files.put(str(tree / "train"), "/project", recursive=True)
    roots = {f"{name}_root": f"{request.param}:///project/{name}" for name in ("overlay", "static")}
    yield write_config(tree / "elsewhere.json", **roots, overlay_fs_args={}, static_fs_args={})
    Gone.down = False
    files.rm("/project", recursive=True)


def test_another_file_system(tree, elsewhere):
    there, here = open_dataset(elsewhere), open_dataset(write_config(tree / "here.json"))
    assert there.runs("train") == ("TS_1",) and there.runs("test") == ("TS_2",)
    assert np.array_equal(there.tomogram("TS_1").volume, here.tomogram("TS_1").volume)
    assert there.picks("TS_1").equals(here.picks("TS_1")) and len(there.picks("TS_1")) == 3
    assert there.fingerprint(["TS_1", "TS_2"]) == here.fingerprint(["TS_1", "TS_2"])


@pytest.mark.parametrize("elsewhere", ["gone"], indirect=True)
def test_a_store_that_cannot_be_reached_is_one_line(elsewhere):
    data = open_dataset(elsewhere)
    volume = data.source.volume("TS_1")
    Gone.down = True
    with pytest.raises(InputError, match=r"/denoised\.zarr/0/\S+: cannot be read \(no route to host at all\)$"):
        volume.read()
    with pytest.raises(InputError, match=r"elsewhere.json: run TS_2: cannot be read \(no route to host at all\)$"):
        data.tomogram("TS_2")
    with pytest.raises(InputError, match=r"elsewhere.json: run TS_1: picks: cannot be read \(no route"):
        data.picks("TS_1")
    message = r"elsewhere\.json: .* says of gone:///project/static, gone:///project/overlay: no route to host at all$"
    with pytest.raises(InputError, match=message):
        open_dataset(elsewhere)


def test_the_overlays_tomograms_and_picks_count(tree):
    """Of two of one name: copick lists both."""
    overlay = volume_folder(tree, "TS_1").relative_to(tree / "train/static")
    write_volume(tree / "train/overlay" / overlay, grey(7), VOXEL_SIZE)
    static = tree / "train/static/ExperimentRuns/TS_1/Picks/curation_0_ribosome.json"
    write_pick_set(static, np.ones((1, 3)), user="curation", session="0", run="TS_1")
    data = open_dataset(write_config(tree / "project.json"))
    assert np.array_equal(data.tomogram("TS_1").volume, normalise(grey(7)))
    assert data.picks("TS_1").query("particle_type == 'ribosome'").x.tolist() == [50, 10]


@pytest.fixture
def on_the_portal(tmp_path, monkeypatch):
    """Two annotated runs; what the portal's servers would say is said here, its bucket is a folder."""
    for number in (1, 2):
        write_volume(tmp_path / f"bucket/{number}.zarr", grey(number), VOXEL_SIZE)
    content = "\n".join(json.dumps({"type": "point", "location": {"x": x, "y": 2, "z": 3}}) for x in (1, 4))
    (tmp_path / "bucket/points.ndjson").write_text(content)
    methods = {1: "manual", 2: "automated"}
    answers = {
        portal.Run: [{"id": n, "datasetId": 10, "name": f"TS_{n}"} for n in methods],
        portal.TomogramVoxelSpacing: [{"id": n, "runId": n, "voxelSpacing": VOXEL_SIZE} for n in methods],
        portal.Tomogram: [
            {
                "id": n,
                "runId": n,
                "tomogramVoxelSpacingId": n,
                "s3OmezarrDir": str(tmp_path / f"bucket/{n}.zarr"),
                "reconstructionMethod": "WBP",
                "processing": "denoised",
                "ctfCorrected": False,
            }
            for n in methods
        ],
        portal.Annotation: [
            {"id": n, "runId": n, "objectName": "ribosome", "objectId": "GO:5840", "methodType": method}
            for n, method in methods.items()
        ],
        portal.AnnotationShape: [{"id": n, "annotationId": n, "shapeType": "Point"} for n in methods],
        portal.AnnotationFile: [
            {
                "id": 70 + n,
                "annotationShapeId": n,
                "tomogramVoxelSpacingId": n,
                "s3Path": str(tmp_path / "bucket/points.ndjson"),
                "format": "ndjson",
            }
            for n in methods
        ],
        portal.AnnotationAuthor: [],
        portal.TomogramAuthor: [],
    }
    for kind, said in answers.items():
        found = [kind(None, **values) for values in said]
        monkeypatch.setattr(kind, "find", classmethod(lambda cls, client, filters=None, found=found: found))
    monkeypatch.setattr(portal, "Client", lambda *_: None)
    monkeypatch.setattr(s3fs, "S3FileSystem", lambda **_: fsspec.filesystem("file"))
    ribosome = {"name": "ribosome", "is_particle": True, "label": 1, "radius": 150, "identifier": "GO:5840"}
    return write_config(
        tmp_path / "portal.json",
        config_type="cryoet_data_portal",
        dataset_ids=[10],
        overlay_root=f"local://{tmp_path / 'overlay'}",
        pickable_objects=[ribosome],
        portal_cache=False,
    )


def test_the_portals_tomograms_and_picks(on_the_portal):
    data = open_dataset(on_the_portal, tomogram_type="wbp-denoised")
    manual, automated = "1", "2"
    assert data.runs("train") == (manual,) and data.runs("test") == (automated,)
    assert np.array_equal(data.tomogram(automated).volume, normalise(grey(2)))
    expected = np.array([[1, 2, 3], [4, 2, 3]]) * VOXEL_SIZE
    assert np.allclose(data.picks(manual)[["x", "y", "z"]], expected)
    (passed_over,) = whose_picks(data, [manual, automated])
    assert "data-portal/72 in 2" in passed_over
    named = open_dataset(on_the_portal, tomogram_type="wbp-denoised", user="data-portal")
    assert named.runs("train") == (manual, automated)
    assert np.allclose(named.picks(automated)[["x", "y", "z"]], expected)


def test_picks_in_a_portal_projects_overlay(on_the_portal, tmp_path):
    folder = tmp_path / "overlay/ExperimentRuns/2"
    write_pick_set(folder / "Picks/ann_1_ribosome.json", np.ones((1, 3)), user="ann", session="1", run="2")
    data = open_dataset(on_the_portal, tomogram_type="wbp-denoised")
    assert data.runs("train") == ("1", "2") and data.picks("2").x.tolist() == [1.0]
    (folder / "Provenance").mkdir()
    (folder / "Provenance/ann_1.json").write_text("{}")
    assert open_dataset(on_the_portal, tomogram_type="wbp-denoised").runs("train") == ("1",)
    (folder / "Picks/ribosome.json").write_text("{}")
    with pytest.raises(InputError, match=r"portal.json: run 2: expected picks files named USER_SESSION_OBJECT.json"):
        open_dataset(on_the_portal, tomogram_type="wbp-denoised").picks("2")


def test_a_portal_that_does_not_answer_is_one_line(on_the_portal, tmp_path, monkeypatch):
    data = open_dataset(on_the_portal, tomogram_type="wbp-denoised")
    (tmp_path / "bucket/points.ndjson").unlink()
    with pytest.raises(InputError, match=r"portal.json: run 1: picks: cannot be read \(.*points.ndjson"):
        data.picks("1")

    def refuse(*_):
        raise ConnectionError("graphql.cryoetdataportal:\ncannot be reached")

    monkeypatch.setattr(portal, "Client", refuse)
    message = r"portal.json: .* says of \S+static, \S+overlay, \[10\]: graphql.cryoetdataportal: cannot be reached$"
    with pytest.raises(InputError, match=message):
        open_dataset(on_the_portal)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of mlcroissant
@pytest.mark.parametrize("overlay", [False, True])
def test_a_croissant(tree, tmp_path, overlay):
    import copick
    from copick.ops.croissant import export_croissant

    for file in picks_folder(tree, "TS_1").glob("*.json"):
        file.rename(file.with_name(f"curation_0_{file.name}"))
    roots = {f"{name}_root": f"local://{tree / 'train/overlay'}" for name in ("overlay", "static")}
    volume = volume_folder(tree, "TS_1").parent
    volume.rename(tree / "train/overlay" / volume.relative_to(tree / "train/static"))
    config = write_config(tree / "project.json", **roots)
    expected = open_dataset(config)
    project = tree / "train/overlay"
    export_croissant(copick.from_file(str(config)), str(project), base_url=str(project), runs=["TS_1"])
    croissant = tree / "croissant.json"
    content = {"config_type": "mlcroissant", "croissant_url": str(project / "Croissant/metadata.json")}
    content |= {"pickable_objects": []} | ({"overlay_root": str(tmp_path / "mine")} if overlay else {})
    croissant.write_text(json.dumps(content))
    data = open_dataset(croissant)
    assert data.particles == expected.particles and data.runs("train") == ("TS_1",)
    assert np.array_equal(data.tomogram("TS_1").volume, expected.tomogram("TS_1").volume)
    assert data.picks("TS_1").equals(expected.picks("TS_1")) and len(data.picks("TS_1")) == 3
    croissant.write_text(json.dumps(content | {"croissant_url": str(tmp_path / "none/metadata.json")}))
    with pytest.raises(InputError, match=r"croissant.json: .* says of .*none/metadata.json: .*No such file"):
        open_dataset(croissant)
