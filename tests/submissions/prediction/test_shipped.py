"""The shipped weights, ready to pick with."""

import pytest

from models.initial import SHIPPED
from submissions.prediction.fusion import load_fusion, members_in_use
from submissions.prediction.shipped import find_weights, shipped_run
from tomograms.errors import InputError
from tomograms.files import read_json
from tomograms.particles import CZII


def test_the_ensemble_belongs_to_the_weights_that_ship():
    """After new weights, ``python -m submissions.calibrate --members unet`` makes it anew."""
    run, weights = shipped_run(), find_weights(SHIPPED, ("unet",))
    assert run.particles == weights.particles == CZII
    assert run.members == tuple(weights.members) and set(weights.members) < set(find_weights(SHIPPED).members)
    fusion = load_fusion(run, [])
    assert members_in_use(fusion.ensemble, run)
    assert run.record.simulated and run.record.voxel_size > 10


def test_weights_that_are_asked_for_and_are_not_there_are_named():
    with pytest.raises(InputError, match=r"expected weights\.safetensors of resnet, but there is no such file"):
        find_weights(SHIPPED, ("unet", "resnet"))


def test_it_was_fitted_to_tomograms_with_all_species_one_and_none():
    rows = read_json(SHIPPED / "ensemble.json")["held_out"]
    for particle in CZII:
        own = {row["presence"]: row for row in rows if row["particle_type"] == particle.name}
        assert set(own) == {"absent", "alone", "with others"}
        assert own["absent"]["true"] == own["absent"]["found"] == 0
        assert own["alone"]["tomograms"] >= 2 and own["absent"]["tomograms"] >= 10
    easy = [row for row in rows if row["particle_type"] in ("apo-ferritin", "ribosome") and row["true"]]
    assert sum(row["found"] for row in easy) > 0.8 * sum(row["true"] for row in easy)
    assert sum(row["false"] for row in rows) < 0.3 * sum(row["found"] for row in rows)


def test_nothing_in_it_tells_of_a_machine():
    assert read_json(SHIPPED / "run.json")["data"]["root"] == "calibration"
    assert "/home/" not in (SHIPPED / "ensemble.json").read_text()
