import pytest
import torch

from models.registry import get_member
from models.weights import check_weights, fill, load_weights, parse_card, save_weights
from tomograms.errors import InputError


def test_weights_and_card_come_back(tmp_path):
    path = tmp_path / "weights.safetensors"
    state = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([1.5, -2.5])}
    save_weights(path, state, {"member": "unet"})
    tensors, card = load_weights(path)
    assert card == {"member": "unet"}
    assert all(torch.equal(tensors[name], state[name]) for name in state)
    layer = torch.nn.Linear(3, 2)
    fill(layer, tensors, path)
    assert torch.equal(layer.weight, state["weight"])


@pytest.mark.parametrize("keep", [0, 5, 40, -3])
def test_a_truncated_file_is_named(tmp_path, keep):
    path = tmp_path / "weights.safetensors"
    save_weights(path, {"weight": torch.zeros(8, 8)}, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"weights\.safetensors: expected a complete safetensors file"):
        load_weights(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_weights(tmp_path / "weights.safetensors")


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    with pytest.raises(InputError, match=r"weights\.safetensors: expected weights of the network"):
        fill(torch.nn.Linear(3, 2), {"weight": torch.zeros(4, 3), "bias": torch.zeros(4)}, path)


def test_a_card_that_is_none_is_named(tmp_path):
    for card in ({}, {"member": "unet"}, {"member": "unet", "settings": "{", "particles": "[]"}):
        with pytest.raises(InputError, match=r"w\.safetensors: expected the card of a unet member"):
            parse_card(card, "unet", tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="expected weights of a unet member, but got those of yolo"):
        parse_card({"member": "yolo", "settings": "{}", "particles": "[]"}, "unet", tmp_path / "w.safetensors")


@pytest.mark.parametrize("member", ["unet", "yolo"])
def test_weights_without_a_card_are_refused_by_every_member(tmp_path, member):
    save_weights(tmp_path / "weights.safetensors", {"weight": torch.zeros(2)}, {})
    with pytest.raises(InputError, match=r"weights\.safetensors: expected the card of a"):
        get_member(member).load(tmp_path, "cpu")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        ("a.pt", b"<!DOCTYPE html><html>403</html>", "a web page"),
        ("a.pt", b"PK\x03\x04 cut off", "expected a complete checkpoint of Ultralytics, but got 12 bytes"),
        ("a.pt", b"", "expected a complete checkpoint of Ultralytics, but got 0 bytes"),
        ("a.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "expected a complete safetensors file"),
    ],
)
def test_files_to_start_from_that_are_no_weights(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        check_weights(tmp_path / name)


def test_files_to_start_from_that_are_weights(tmp_path):
    save_weights(tmp_path / "a.safetensors", {"a": torch.zeros(2)}, {})
    check_weights(tmp_path / "a.safetensors")
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pt")
    check_weights(tmp_path / "a.pt")
