import pytest

from models.settings import check_owners, from_record, resolve_settings, to_record
from tomograms.errors import InputError


def test_overrides_take_the_type_of_the_preset():
    settings = resolve_settings(
        "unet",
        "demo",
        [
            "unet.steps=3",
            "unet.learning_rate=1",
            "unet.crop=16,32,32",
            "unet.norm=BATCH",
            "unet.channels=8,9",
            "yolo.epochs=1",
        ],
    )
    assert (settings.steps, settings.crop, settings.norm) == (3, (16, 32, 32), "BATCH")
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
    ],
)
def test_faulty_overrides_are_refused(override, message):
    with pytest.raises(InputError, match=message):
        resolve_settings("unet", "demo", [override])


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
