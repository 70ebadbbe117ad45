"""What every member must do, run over all of the registry on a tiny simulated tomogram."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.member import Training, Validation
from models.outputs import ClassMaps, Maps, PointMaps, SliceBoxes
from models.registry import MEMBERS, get_member
from postproc.candidates import COLUMNS
from postproc.convert import to_candidates
from tomograms.coordinates import inside, to_angstrom
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

PARTICLES = (Particle("ball", 1, 60.0, 1.0), Particle("shell", 2, 90.0, 2.0))
VOXEL = 10.0
SHAPE = (32, 64, 64)
TINY = {
    "unet": {
        "init": "scratch",
        "steps": 4,
        "epoch_steps": 2,
        "crop": (12, 32, 32),
        "batch": 2,
        "stem": 4,
        "channels": (4, 6, 8),
        "strides": (1, 2),
        "window": (32, 32, 64),
    },
    "detector": {
        "init": "scratch",
        "steps": 4,
        "epoch_steps": 2,
        "crop": (24, 32, 32),
        "batch": 2,
        "filters": 4,
        "blocks": (1, 1, 1),
        "window": (32, 32, 64),
    },
    "yolo": {"init": "scratch", "epochs": 1, "warmup_epochs": 0.0, "batch": 8},
}
"""Settings with which each member trains in seconds."""


def tomogram(name: str, seed: int) -> tuple[Tomogram, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    volume = rng.normal(0, 1, SHAPE).astype(np.float32)
    rows = []
    for particle in (*PARTICLES, *PARTICLES):
        centre = rng.uniform((8, 12, 12), (24, 52, 52))
        z, y, x = np.indices(SHAPE)
        distance = np.sqrt(sum((g - c) ** 2 for g, c in zip((z, y, x), centre, strict=True))) * VOXEL
        volume[distance < particle.radius] -= 4
        rows.append((name, particle.name, *to_angstrom(centre, VOXEL)[0]))
    return Tomogram(name, volume, VOXEL), pd.DataFrame(rows, columns=["experiment", "particle_type", "x", "y", "z"])


def fit(member_name, directory, *, validation_picks=None, seed=1, stop_after=None):
    member = get_member(member_name)
    train = [tomogram(f"TS_{i}", i) for i in range(2)]
    held_out, picks = tomogram("TS_9", 9)

    def advance(done, total, note):
        said.append((done, total, note))
        if stop_after is not None and done >= stop_after:
            raise KeyboardInterrupt

    said = []
    directory.mkdir(parents=True, exist_ok=True)
    training = Training(
        [t for t, _ in train],
        pd.concat([p for _, p in train], ignore_index=True),
        Validation(held_out, picks if validation_picks is None else validation_picks),
        PARTICLES,
        replace(member.presets["demo"], **TINY[member_name]),
        seed,
        directory,
        "cpu",
    )
    member.fit(training, advance)
    return said


def predict(member_name, directory, held_out=None):
    held_out = held_out or tomogram("TS_9", 9)[0]
    return get_member(member_name).load(directory, "cpu").predict(held_out)


def candidates(member_name, directory):
    return to_candidates(
        predict(member_name, directory), PARTICLES, VOXEL, experiment="TS_9", member=member_name, model="m"
    )


@pytest.fixture(scope="module", params=sorted(MEMBERS))
def trained(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    said = fit(request.param, directory)
    return request.param, directory, said


def test_every_member_has_settings_for_the_tiny_training():
    assert set(TINY) == set(MEMBERS)


def test_presets_are_settings_of_one_kind(trained):
    presets = get_member(trained[0]).presets
    assert set(presets) == {"demo", "short", "full"}
    assert len({type(settings) for settings in presets.values()}) == 1
    assert get_member(trained[0]).name == trained[0]


def test_training_leaves_weights_history_and_pictures_and_no_pickle(trained):
    directory = trained[1]
    files = {path.name for path in directory.rglob("*") if path.is_file()}
    assert {"weights.safetensors", "history.csv", "loss.png", "metric.png"} <= files
    assert not {name for name in files if name.endswith((".pt", ".pth", ".pkl"))}
    history = pd.read_csv(directory / "history.csv")
    assert history.columns[0] == "step"
    assert len(history) >= 1
    assert history["step"].is_monotonic_increasing


def test_progress_is_told_to_its_end(trained):
    said = trained[2]
    assert said
    assert said[-1][0] == said[-1][1]
    assert [done for done, _, _ in said] == sorted(done for done, _, _ in said)


def test_output_has_the_declared_form(trained):
    output = predict(*trained[:2])
    if isinstance(output, Maps):
        channels = {ClassMaps: 1 + len(PARTICLES), PointMaps: len(PARTICLES) + 3}[type(output)]
        assert output.logits.dtype == np.float16
        assert output.logits.shape == (channels, *(-(-n // output.stride) for n in SHAPE))
        assert np.isfinite(output.logits).all()
    else:
        assert isinstance(output, SliceBoxes)
        n = len(output.confidence)
        assert output.xyxy.shape == (n, 4)
        assert output.slice_index.shape == output.label.shape == (n,)
        assert ((output.confidence >= 0) & (output.confidence <= 1)).all()
        assert set(np.unique(output.label)) <= {p.label for p in PARTICLES}


def test_candidates_lie_in_the_volume(trained):
    found = candidates(*trained[:2])
    assert list(found.columns) == COLUMNS
    assert inside(found[["x", "y", "z"]].to_numpy(), SHAPE, VOXEL).all()
    assert np.isfinite(found["score"]).all()


def test_loading_twice_predicts_the_same(trained):
    pd.testing.assert_frame_equal(candidates(*trained[:2]), candidates(*trained[:2]))


def test_permuted_held_out_picks_change_no_candidate_and_the_seed_repeats(trained, tmp_path):
    name, directory, _ = trained
    picks = tomogram("TS_9", 9)[1]
    rng = np.random.default_rng(0)
    permuted = picks.assign(
        particle_type=rng.permutation(picks["particle_type"]),
        x=rng.permutation(picks["x"]),
        y=rng.permutation(picks["y"]),
        z=rng.permutation(picks["z"]),
    ).iloc[:-1]
    fit(name, tmp_path, validation_picks=permuted)
    pd.testing.assert_frame_equal(candidates(name, directory), candidates(name, tmp_path))


def test_an_interrupted_training_ends_as_an_uninterrupted_one(trained, tmp_path):
    name, directory, _ = trained
    with pytest.raises(KeyboardInterrupt):
        fit(name, tmp_path, stop_after=3 if name == "unet" else 1)
    assert not (tmp_path / "weights.safetensors").exists()
    fit(name, tmp_path)
    pd.testing.assert_frame_equal(candidates(name, directory), candidates(name, tmp_path))
    assert (directory / "history.csv").read_text() == (tmp_path / "history.csv").read_text()


def test_truncated_weights_are_refused(trained, tmp_path):
    name, directory, _ = trained
    whole = (directory / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"weights\.safetensors"):
        get_member(name).load(tmp_path, "cpu")


def test_a_truncated_checkpoint_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit("unet", tmp_path, stop_after=3)
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"checkpoint\.pt: expected a complete checkpoint.*delete it"):
        fit("unet", tmp_path)


def test_an_unknown_member_is_refused():
    with pytest.raises(InputError, match="expected some of unet, detector, yolo, but got 'resnet'"):
        get_member("resnet")
