import pytest
import torch

from models.initial import SHIPPED, find_initial
from models.training.transfer import transfer
from tomograms.errors import InputError


def axes(name):
    return {"head": (0,), "square": (0, 1)}.get(name, ())


def test_files_folders_and_words_are_told_apart(tmp_path):
    assert find_initial("unet", "scratch") is None
    shipped = find_initial("unet", "pretrained")
    assert shipped is None or shipped == SHIPPED / "unet" / "weights.safetensors"
    path = tmp_path / "unet" / "weights.safetensors"
    path.parent.mkdir()
    path.touch()
    assert find_initial("unet", str(tmp_path)) == path
    assert find_initial("unet", str(path)) == path
    with pytest.raises(InputError, match=r"yolo/weights\.safetensors: expected weights for --init"):
        find_initial("yolo", str(tmp_path))


def test_classes_are_matched_by_name(tmp_path):
    old = {"body": torch.ones(2), "head": torch.tensor([[1.0], [2.0]]), "square": torch.tensor([[1.0, 2], [3, 4]])}
    fresh = {"body": torch.zeros(2), "head": torch.zeros(3, 1), "square": torch.zeros(3, 3)}
    out = transfer(old, fresh, old=["a", "b"], new=["b", "c", "a"], class_axes=axes, path=tmp_path)
    assert out["body"].tolist() == [1, 1]
    assert out["head"].tolist() == [[2], [0], [1]]
    assert out["square"].tolist() == [[4, 0, 3], [0, 0, 0], [2, 0, 1]]
    assert fresh["square"].sum() == 0


def test_no_class_in_common_leaves_a_fresh_head(tmp_path):
    old = {"head": torch.ones(1, 2)}
    fresh = {"head": torch.zeros(2, 2)}
    out = transfer(old, fresh, old=["a"], new=["b", "c"], class_axes=axes, path=tmp_path)
    assert out["head"].tolist() == [[0, 0], [0, 0]]


def test_half_precision_becomes_the_networks_own(tmp_path):
    old = {"body": torch.full((2,), 0.5, dtype=torch.float16)}
    out = transfer(old, {"body": torch.zeros(2)}, old=[], new=[], class_axes=axes, path=tmp_path)
    assert out["body"].dtype == torch.float32


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "body is only in one of them"),
        ({"body": torch.zeros(2), "more": torch.zeros(1)}, "more is only in one of them"),
        ({"body": torch.zeros(3)}, r"expected body with shape \(2,\), but got \(3,\)"),
    ],
)
def test_another_network_is_refused(tmp_path, state, message):
    with pytest.raises(InputError, match=message):
        transfer(state, {"body": torch.zeros(2)}, old=[], new=[], class_axes=axes, path=tmp_path)
