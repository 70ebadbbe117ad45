"""The ensemble end to end on made-up members: it pays, it replays, and members may be one, useless or silent."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from ensemble.baselines import BASELINES
from ensemble.calibration import label_hits
from ensemble.comparison import TUNED, compare
from ensemble.cutting import tomogram_cut
from ensemble.ensemble import Ensemble, load_ensemble
from ensemble.fitting import fit_ensemble
from evaluation.nested import nested, nested_fit
from postproc.candidates import COLUMNS, concatenate, empty_candidates, in_order, make_candidates
from tests.ensemble.conftest import QUICK, TWO
from tests.ensemble.synthetic import PAIR, Quality, folds_of, make_data
from tomograms.errors import InputError
from tomograms.files import write_json


def fit(truth, candidates, tuning=QUICK, **options):
    members = sorted(candidates["member"].unique())
    return fit_ensemble(truth, candidates, particles=PAIR, members=members, tuning=tuning, **options)


def compared(truth, candidates):
    folds = folds_of(sorted(truth["experiment"].unique()))
    return compare(truth, candidates, particles=PAIR, folds=folds, tuning=QUICK)


@pytest.fixture(scope="module")
def built(data):
    return compared(*data)


@pytest.fixture(scope="module")
def fitted(data):
    return fit(*data)


def test_independent_members_are_beaten_nested(built):
    comparison, studies = built
    assert comparison.best_member == "unet"
    difference = comparison.difference(TUNED)
    assert difference.estimate > 0.02 and difference.low > 0
    assert difference.resamplings == 1716
    assert set(studies) == {name for particle in PAIR for name in (particle.name, f"{particle.name}/cut")}
    assert set(comparison.results) == {"unet", "yolo", *BASELINES, TUNED}


def test_tuned_beats_every_plain_fusion(built):
    comparison, _ = built
    tuned = comparison.ensemble.score.total
    for name in ("mean probability", "suppression", "rank average"):
        assert tuned > comparison.baselines[name].score.total


def test_members_are_cut_as_the_ensemble_is(built, data):
    """Alone, a member is an ensemble of one: its whole list, calibrated."""
    truth, candidates = data
    own = candidates[candidates["member"] == "yolo"].reset_index(drop=True)
    rule = built[0].members["yolo"].optimum_rule
    assert rule == fit(truth, own, tuning=None, competing=False)
    assert len(rule.apply(own)) == len(own)


def test_each_fold_is_fitted_without_its_run(built, data):
    truth, candidates = data
    fold = built[0].ensemble.folds[2]
    others = ~truth["experiment"].isin(fold.fold.held_out), ~candidates["experiment"].isin(fold.fold.held_out)
    assert fit(truth[others[0]], candidates[others[1]]).to_record() == fold.rule.to_record()


def test_useless_member_does_no_harm():
    useless = Quality({"easy": 0, "hard": 0}, recall=0.2, noise=0.4)
    truth, candidates = make_data({"good": TWO["unet"], "useless": useless}, seed=1)
    folds = folds_of(sorted(set(truth["experiment"])))
    alone = nested(truth, candidates[candidates["member"] == "good"], PAIR, folds)
    fused = nested_fit(fit, truth, candidates, particles=PAIR, folds=folds)
    # Calibration leaves it hardly a voice, so that dropping it would gain less than what tuning takes for luck.
    assert fused.score.total > alone.score.total - 0.01


def test_one_member_alone_works(data):
    truth, candidates = data
    comparison, _ = compared(truth, candidates[candidates["member"] == "unet"])
    assert not comparison.baselines
    # Fusing one member only recalibrates: the ranking, and so nearly the score, is its own.
    assert comparison.ensemble.score.total == pytest.approx(comparison.members["unet"].score.total, abs=0.01)
    assert comparison.rule.dropped("hard") == ()


def test_fused_scores_are_probabilities(fitted):
    fresh_truth, fresh = make_data(TWO, seed=6, experiments=12)
    fused = fitted.apply(fresh)
    for particle in PAIR:
        rows = fused[fused["particle_type"] == particle.name].reset_index(drop=True)
        label = label_hits(fresh_truth, rows, particle).label
        for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
            chosen = (rows["score"] > low) & (rows["score"] <= high)
            if chosen.sum() > 50:
                assert label[chosen].mean() == pytest.approx(rows["score"][chosen].mean(), abs=0.1)


def test_record_restores_every_bit(fitted, data, tmp_path):
    write_json(tmp_path / "ensemble.json", {"ensemble": fitted.to_record()})
    restored = load_ensemble(tmp_path / "ensemble.json")
    assert restored == fitted
    pd.testing.assert_frame_equal(restored.apply(data[1]), fitted.apply(data[1]), check_exact=True)


def test_a_species_without_candidates_is_kept_as_it_is(data):
    truth, candidates = data
    rule = fit(truth, candidates[candidates["particle_type"] == "easy"])
    assert rule.rules["hard"].cut.factor == 1.0
    record = json.loads(json.dumps(rule.to_record(), allow_nan=False))
    assert Ensemble.from_record(record) == rule


def test_order_of_rows_changes_no_bit_of_the_fit(fitted, data):
    truth, candidates = data
    shuffled = candidates.sample(frac=1, random_state=0, ignore_index=True)
    assert fit(truth.sample(frac=1, random_state=1, ignore_index=True), shuffled).to_record() == fitted.to_record()
    pd.testing.assert_frame_equal(fitted.apply(shuffled), fitted.apply(candidates), check_exact=True)


def test_predict_is_apply_above_each_tomograms_cut(fitted, data):
    whole, kept = fitted.apply(data[1]), fitted.predict(data[1])
    parts = []
    for (_, name), rows in whole.groupby(["experiment", "particle_type"]):
        how = fitted.rules[name].cut
        cut = how.factor * tomogram_cut(rows["score"].to_numpy(), how.common)
        parts.append(rows[rows["score"] >= cut])
    assert len(parts) > 2
    pd.testing.assert_frame_equal(kept, in_order(pd.concat(parts)).reset_index(drop=True))


def test_an_ensemble_of_an_older_version_is_one_line(fitted, tmp_path):
    record = fitted.to_record()
    for rule in record["rules"].values():
        rule["cut_factor"] = rule.pop("cut")["factor"]
    write_json(tmp_path / "ensemble.json", {"ensemble": record})
    with pytest.raises(InputError, match=r"ensemble.json: expected .* build it again"):
        load_ensemble(tmp_path / "ensemble.json")


def test_empty_in_empty_out(fitted):
    for table in (fitted.apply(empty_candidates()), fitted.predict(empty_candidates())):
        assert list(table.columns) == COLUMNS and len(table) == 0


def test_unknown_members_and_species_are_left_out(fitted, data):
    _, candidates = data
    stranger = make_candidates("TS_0", "easy", [[1, 1, 1]], [0.9], member="stranger", model="mean")
    odd = make_candidates("TS_0", "odd", [[1, 1, 1]], [0.9], member="unet", model="TS_0-0")
    more = concatenate([candidates, stranger, odd])
    pd.testing.assert_frame_equal(fitted.apply(more), fitted.apply(candidates))


def test_several_models_of_a_member_are_refused(fitted, data):
    twice = concatenate([data[1], data[1].assign(model="another")])
    with pytest.raises(ValueError, match="one model per member"):
        fitted.apply(twice)


@pytest.mark.parametrize("content", [{}, [], {"ensemble": {"members": ["a"]}}])
def test_damaged_file_is_an_input_error(tmp_path, content):
    write_json(tmp_path / "ensemble.json", content)
    with pytest.raises(InputError, match=r"ensemble\.json: expected the ensemble"):
        load_ensemble(tmp_path / "ensemble.json")


def test_without_competition_nothing_is_contested(data):
    truth, candidates = data
    members = sorted(candidates["member"].unique())
    apart = fit_ensemble(truth, candidates, particles=PAIR, members=members, tuning=None, competing=False)
    together = fit_ensemble(truth, candidates, particles=PAIR, members=members, tuning=None)
    assert not any(rule.contest for rule in apart.rules.values()) and all(
        rule.contest for rule in together.rules.values()
    )
    for name, rule in apart.rules.items():
        assert rule.fused_calibration == together.rules[name].fused_calibration  # competition comes after it
    assert Ensemble.from_record(apart.to_record()) == apart
    pd.testing.assert_frame_equal(apart.apply(candidates), rescored_only(together, candidates))


def rescored_only(ensemble, candidates):
    rules = {name: replace(rule, contest=None) for name, rule in ensemble.rules.items()}
    return replace(ensemble, rules=rules).apply(candidates)


def test_a_likelier_species_at_the_same_place_counts_where_it_was_seen_to_be_right(data, fitted):
    truth, candidates = data
    ghosts = candidates[candidates["particle_type"] == "easy"].assign(particle_type="hard")
    confused = fit(truth, in_order(concatenate([candidates, ghosts])))

    def best(ensemble, *species):
        rows = [
            make_candidates("TS_0", s, [[500, 500, 200]], [score], member=m, model="mean")
            for s, score in species
            for m in ("unet", "yolo")
        ]
        found = ensemble.apply(concatenate(rows))
        return found.loc[found["particle_type"] == "hard", "score"].max()

    contested, alone = (("hard", 0.6), ("easy", 0.99)), (("hard", 0.6),)
    assert best(confused, *contested) < 0.5 * best(confused, *alone)
    assert best(fitted, *contested) == best(fitted, *alone)
    for ensemble in (confused, fitted):
        assert best(ensemble, *alone) < best(ensemble, ("hard", 0.9), ("easy", 0.001))


def test_a_constant_offset_of_a_member_is_taken_back(data, fitted):
    truth, candidates = data
    unet = (candidates["member"] == "unet").to_numpy()
    moved = candidates.assign(x=candidates["x"] + 12.0 * unet)
    corrected = fit(truth, moved)
    assert fitted.corrections == {"unet": (0.0, 0.0, 0.0), "yolo": (0.0, 0.0, 0.0)}
    x, y, z = corrected.corrections["unet"]
    assert x == pytest.approx(12.0, abs=1.0) and (y, z) == (0.0, 0.0)
    before, after = fitted.apply(candidates), corrected.apply(moved)
    assert after["x"].mean() == pytest.approx(before["x"].mean(), abs=3.0)
