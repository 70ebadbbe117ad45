import math
from dataclasses import fields, replace

import pytest

from models.registry import get_member
from models.settings import check_owners, from_record, resolve_settings, to_record
from tomograms.errors import InputError


def test_overrides_take_the_type_of_the_preset():
    settings = resolve_settings(
        "unet",
        "demo",
        [
            "unet.steps=3",
            "unet.learning_rate=1",
            "unet.crop=24,32,32",
            "unet.norm=BATCH",
            "unet.channels=8,9",
            "unet.strides=2",
            "yolo.epochs=1",
        ],
    )
    assert (settings.steps, settings.crop, settings.norm) == (3, (24, 32, 32), "BATCH")
    assert settings.channels == (8, 9)
    assert settings.learning_rate == 1.0
    assert isinstance(settings.learning_rate, float)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("unet.stepz=3", "expected a setting of unet"),
        ("unet.steps", "expected MEMBER.NAME=VALUE"),
        ("steps=3", "expected MEMBER.NAME=VALUE"),
        ("unet.steps=many", "expected a value like"),
        ("unet.steps=1.5", "expected a value like"),
        ("unet.steps=true", "expected a value like"),
        ("unet.crop=16", "expected a value like"),
        ("unet.channels=8,x", "expected a value like"),
        ("unet.crop=a,b,c", "expected a value like"),
        ("unet.steps=0", r"--set unet\.steps: expected a value above 0, but got 0"),
        ("unet.weight_decay=-1", r"--set unet\.weight_decay: expected a value of at least 0, but got -1"),
        ("unet.around_picks=1.5", "expected a value from 0 to 1"),
        ("unet.overlap=1", "expected a value of at least 0 and below 1"),
        ("unet.views=9", "expected a value from 1 to 8"),
        ("unet.channels=8", "two levels or more"),
        ("unet.strides=2,2", "one for each level but the first"),
        ("unet.window=64,0,64", "a value above 0"),
        ("unet.precision=half", "expected one of auto, bf16, fp16, fp32"),
    ],
)
def test_faulty_overrides_are_refused(override, message):
    with pytest.raises(InputError, match=message):
        resolve_settings("unet", "demo", [override])


@pytest.mark.parametrize("member", ["unet", "yolo"])
def test_every_member_refuses_before_it_trains(member):
    with pytest.raises(InputError, match=rf"--set {member}\.batch: expected a value above 0, but got 0"):
        resolve_settings(member, "short", [f"{member}.batch=0"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("unet.learning_rate=Infinity", "expected a value like"),
        ("unet.ema=NaN", "expected a value like"),
        ("unet.crop=50,50,50", r"unet\.crop: expected multiples of 8 \(z, y, x\), but got \(50, 50, 50\)"),
        ("unet.crop=16,96,96", r"unet\.crop: expected at least 24 planes in z"),
        ("unet.norm=none", r"unet\.norm: expected one of INSTANCE"),
        ("yolo.precision=fp8", r"yolo\.precision: expected one of auto, bf16, fp16, fp32, but got 'fp8'"),
        ("yolo.max_boxes=0", r"yolo\.max_boxes: expected a value above 0, but got 0"),
        ("yolo.ema_decay=2", r"yolo\.ema_decay: expected a value of at least 0 and below 1, but got 2"),
        ("yolo.lr0=Infinity", "expected a value like"),
    ],
)
def test_what_used_to_fail_only_in_training_is_refused_at_the_start(override, message):
    with pytest.raises(InputError, match=message):
        resolve_settings(override.partition(".")[0], "demo", [override])


@pytest.mark.parametrize("member", ["unet", "yolo"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1])
def test_every_number_has_a_rule(member, value):
    kind, settings = get_member(member), get_member(member).presets["short"]
    for field in fields(settings):
        number = getattr(settings, field.name)
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            with pytest.raises(InputError, match=rf"--set {member}\.{field.name}: expected a value"):
                kind.check(replace(settings, **{field.name: value}))


def test_an_override_of_a_member_that_does_not_take_part_is_refused():
    with pytest.raises(InputError, match="expected a setting of unet"):
        check_owners(["unet"], ["yolo.epochs=3"])


@pytest.mark.parametrize("member", ["unet", "yolo"])
@pytest.mark.parametrize("preset", ["demo", "short", "full"])
def test_settings_survive_json(member, preset):
    settings = resolve_settings(member, preset, [])
    assert from_record(member, to_record(settings)) == settings


def test_a_record_of_another_version_is_refused():
    record = to_record(resolve_settings("unet", "demo", []))
    record.pop("steps")
    with pytest.raises(InputError, match="steps differ"):
        from_record("unet", record)
