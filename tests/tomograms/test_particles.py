import json

import pytest

from tomograms.errors import InputError
from tomograms.particles import CZII, Particle, by_name, from_copick, from_records, to_records


def test_the_czii_table():
    assert [(p.name, p.label, p.radius, p.weight) for p in CZII] == [
        ("apo-ferritin", 1, 60, 1),
        ("beta-amylase", 2, 65, 0),
        ("beta-galactosidase", 3, 90, 2),
        ("ribosome", 4, 150, 1),
        ("thyroglobulin", 5, 130, 2),
        ("virus-like-particle", 6, 135, 1),
    ]
    assert sum(p.weight for p in CZII) == 7


def test_records_survive_json():
    assert from_records(json.loads(json.dumps(to_records(CZII)))) == CZII
    assert from_records([]) == ()


def test_by_name():
    assert by_name(CZII)["ribosome"] is CZII[3]


def entry(name, label, **more):
    return {"name": name, "label": label, "radius": 50, "is_particle": True, **more}


def test_copick_labels_are_closed_up_in_their_order_and_membranes_are_left_out():
    objects = [entry("b", 7), entry("membrane", 2, is_particle=False), entry("a", 3), entry("c", 7)]
    assert from_copick(objects, "p.json") == (
        Particle("a", 1, 50.0, 1.0),
        Particle("b", 2, 50.0, 1.0),
        Particle("c", 3, 50.0, 1.0),
    )


@pytest.mark.parametrize(
    ("metadata", "weight"), [(None, 1), ({}, 1), ({"weight": 0}, 0), ({"score_weight": 2}, 2), ({"weight": 3}, 3)]
)
def test_copick_weights(metadata, weight):
    assert from_copick([entry("a", 1, metadata=metadata)], "p.json")[0].weight == weight


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([], "at least one pickable object"),
        ([entry("a", 1, is_particle=False)], "at least one pickable object"),
        ([entry("a", 1), entry("a", 2)], "distinct names"),
        ([entry("a", 1, radius=None)], "radius above 0 Å for a, but got None"),
        ([entry("a", 1, radius=-3)], "radius above 0 Å for a, but got -3"),
        ([entry("a", 1, metadata={"weight": -1})], "weight of at least 0 for a, but got -1"),
    ],
)
def test_copick_mistakes_name_the_file_and_the_rule(objects, message):
    with pytest.raises(InputError, match=f"p.json: expected .*{message}"):
        from_copick(objects, "p.json")
