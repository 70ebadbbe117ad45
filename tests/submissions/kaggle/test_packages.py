import hashlib
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from submissions.kaggle.packages import (
    KAGGLE_IMAGE,
    NOT_FOR_INFERENCE,
    PROJECT,
    download_wheels,
    inference_requirements,
    lacking,
    project_metadata,
    read_image,
    relied_on,
    root,
    write_wheel,
)
from tomograms.errors import InputError

PACKAGES = {"tomograms", "compute", "models", "postproc", "evaluation", "ensemble", "submissions"}


def test_the_wheel_holds_the_running_code_and_no_tests(tmp_path):
    wheel = write_wheel(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        for name in ("submissions/make.py", "cv_folds.yaml", "models/unet/member.py"):
            assert archive.read(name) == (root() / name).read_bytes()
        assert {name.split("/")[0] for name in names if name.endswith(".py")} == PACKAGES
        assert not [
            name
            for name in names
            if "__pycache__" in name or name.startswith("tests") or name.endswith((".csv", ".safetensors"))
        ]
        record = archive.read(next(name for name in names if name.endswith("RECORD"))).decode()
        assert len(record.splitlines()) == len(names)
        card = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
        assert "Requires-Dist: monai" in card and f"Version: {project_metadata().version}" in card
    first = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert hashlib.sha256(write_wheel(tmp_path).read_bytes()).hexdigest() == first


def test_the_wheel_installs(tmp_path):
    wheel = write_wheel(tmp_path)
    target = tmp_path / "target"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(target)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    code = (
        "import submissions.make, evaluation.folds as f; print(submissions.make.__file__, f.built_in_file().exists())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=target, check=True, capture_output=True, text=True, env={"PYTHONPATH": ""}
    )
    assert str(target) in done.stdout and "True" in done.stdout


def test_an_images_list(tmp_path):
    path = tmp_path / "image.txt"
    path.write_text("# Kaggle\nNumPy==1.26.4\n\nscikit_learn==1.5  # ours\ntorch @ file:///torch.whl\nrich\n-e git+x\n")
    assert read_image(path) == {"numpy": "1.26.4", "scikit-learn": "1.5", "torch": None, "rich": None}
    path.write_text("numpy>=1\n")
    with pytest.raises(InputError, match="line 1"):
        read_image(path)
    with pytest.raises(InputError, match="nothing"):
        read_image(Path("nothing"))


def test_what_an_image_lacks():
    version = metadata.version("starfile")
    packed = lacking(["starfile>=0.5", "torch>=2.6", "numpy>=1.26"], {"numpy": None, "pandas": "1.0"})
    assert packed["starfile"] == version
    assert "torch" not in packed and "numpy" not in packed
    everything = dict.fromkeys(packed)
    assert lacking(["starfile>=0.5"], {**everything, "numpy": None, "pandas": None}) == {}
    assert lacking(["starfile>=0.5"], {**everything, "starfile": "0.4"})["starfile"] == version  # too old there
    assert lacking(["torch>=99"], {}) == {}  # never
    assert lacking(["something; sys_platform == 'nowhere'"], {}) == {}
    with pytest.raises(InputError, match="no-such-thing"):
        lacking(["no-such-thing>=1"], {})


def test_this_projects_own_requirements_can_be_packed():
    packed = lacking(inference_requirements(), KAGGLE_IMAGE)
    assert {"zarr", "monai", "ultralytics"} <= set(packed) and not NOT_FOR_INFERENCE & set(packed)
    assert not {name for name in packed if name.startswith(("torch==", "nvidia", "triton"))} and "torch" not in packed


def test_what_is_taken_from_the_image_has_its_version():
    there = relied_on(inference_requirements(), KAGGLE_IMAGE)
    assert (there["numpy"], there["torch"], there["pyyaml"]) == ("2.1.3", "2.11.0", None)
    assert not set(there) & set(lacking(inference_requirements(), KAGGLE_IMAGE)) and "zarr" not in there
    assert relied_on(["starfile>=0.5"], {"starfile": "0.4", "pandas": "2.2.3", "numpy": None})["pandas"] == "2.2.3"


def test_without_a_checkout_there_is_no_wheel(tmp_path, monkeypatch):
    monkeypatch.setattr("submissions.kaggle.packages.root", lambda: tmp_path)
    with pytest.raises(InputError, match="expected a checkout"):
        write_wheel(tmp_path)
    nameless = '[project]\nreadme = "pyproject.toml"\nlicense-files = []\n'
    nameless += "[tool.hatch.build.targets.wheel]\npackages = []\nforce-include = {}\n"
    (tmp_path / "pyproject.toml").write_text(nameless)
    with pytest.raises(InputError, match="hatchling builds none"):
        write_wheel(tmp_path)


def test_wheels_are_downloaded_from_pips_own_index(tmp_path, monkeypatch):
    """The index is a folder that holds this project's wheel: no network."""
    (tmp_path / "index").mkdir()
    wheel = write_wheel(tmp_path / "index")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    download_wheels({PROJECT: project_metadata().version}, tmp_path / "wheels", pythons=["3.11"])
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == [wheel.name]
    assert (tmp_path / "wheels" / wheel.name).read_bytes() == wheel.read_bytes()
    download_wheels({PROJECT: "99"}, tmp_path / "older", pythons=["3.11"])
    assert [path.name for path in (tmp_path / "older").iterdir()] == [wheel.name]
    message = r"no-such-thing==1: expected it or an older wheel for Python 3.11, but got none \(.+\)"
    with pytest.raises(InputError, match=message):
        download_wheels({"no-such-thing": "1"}, tmp_path / "wheels", pythons=["3.11"])
    download_wheels({}, tmp_path / "none", pythons=["3.11"])
    assert not list((tmp_path / "none").iterdir())
