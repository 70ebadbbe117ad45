import json
import re
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from ensemble.fitting import fit_alone
from evaluation.counts import count, f_beta, pool
from evaluation.intervals import score_interval
from evaluation.nested import nested_fit
from evaluation.thresholds import apply_thresholds
from submissions.make import main as make
from submissions.report import page
from submissions.report.__main__ import main
from submissions.report.charts import LINES, operating_chart
from submissions.report.gallery import Gallery, gather_gallery
from submissions.report.layers import FALSE_POSITIVE, HIT, MISS
from submissions.report.operating import grid, operating
from submissions.report.page import LIMIT, TEMPLATES, charts, render
from submissions.report.species import reliability, species_interval, wilson
from submissions.report.tomogram_rows import tomogram_rows
from submissions.report.writing import facts_of, plain
from tests.submissions.conftest import RUN, TEST, TRAIN
from tests.submissions.prediction.test_inference import damage
from tomograms.errors import run_command
from tomograms.files import read_json, write_json
from tomograms.particles import CZII, Particle


def report(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--run", "tiny", *map(str, arguments)])
    return end.value.code


def html(project):
    return (project.root / RUN / "report.html").read_text(encoding="utf-8")


def facts(project):
    return read_json(project.root / RUN / "report.json")


def test_figures_are_those_of_ensemble_json_and_cv_json(reported):
    told = facts(reported)
    built, cv = (read_json(reported.root / RUN / name) for name in ("ensemble.json", "cv.json"))
    ensemble = built["scores"]["ensemble"]
    for key in ("nested", "interval", "optimum", "gap"):
        assert told["verdict"][key] == ensemble[key]
        assert [row[key] for row in told["agreement"]["scores"]] == [
            built["scores"][row["name"]][key] for row in told["agreement"]["scores"]
        ]
        assert {m: own[key] for m, own in told["cross_validation"].items()} == {
            m: own[key] for m, own in cv["members"].items()
        }
    assert {row["name"] for row in told["agreement"]["scores"]} == set(built["scores"])
    assert told["verdict"]["minus_best_member"] == built["minus_best_member"]["ensemble"]
    for row in told["species"]:
        for key, value in ensemble["particles"][row["name"]].items():
            assert row[key] == value
        assert row["cut_factor"] == built["ensemble"]["rules"][row["name"]]["cut"]["factor"]
    for row in told["agreement"]["scores"]:
        assert row["minus_best_member"] == built["minus_best_member"][row["name"]]
        assert row["by_species"] == {
            name: own["f_beta"] for name, own in built["scores"][row["name"]]["particles"].items()
        }
    assert (told["origin"]["files"], told["origin"]["versions"]) == (built["files"], built["versions"])


def test_counts_told_in_several_places_agree(reported):
    told = facts(reported)
    rows = {row["name"]: row for row in told["tomograms"]}
    assert set(rows) == {*TRAIN, *TEST}
    built = read_json(reported.root / RUN / "ensemble.json")["scores"]["ensemble"]
    for fold in built["folds"]:
        for name, counts in fold["counts"].items():
            assert [rows[name][k] for k in ("tp", "fp", "fn")] == np.sum(list(counts.values()), axis=0).tolist()
            assert rows[name]["score"] == pytest.approx(fold["score"])  # one tomogram a fold
    for row in told["species"]:
        tp, fp, fn = row["counts"]
        now = told["operating"]["species"][row["name"]]["now"]
        assert (now["tp"], now["fp"], now["truth"]) == (tp, fp, tp + fn) and now["f_beta"] == row["f_beta"]
        assert told["agreement"]["finds"][row["name"]]["fused"] == tp
        assert sum(rows[name]["by_species"][row["name"]] for name in TRAIN) == tp + fp == row["held_out"]["picks"]
        assert sum(rows[name]["by_species"][row["name"]] for name in TEST) == now["new_picks"] == row["new"]["picks"]
    submission = pd.read_csv(reported.root / RUN / "submission.csv")
    assert submission["experiment"].value_counts().to_dict() == {name: rows[name]["picks"] for name in TEST}


def test_the_page_needs_nothing_but_itself(reported):
    text = html(reported)
    assert len(text.encode()) < LIMIT
    assert not re.search(r"""(src|href)=["'](?!data:|#)|url\((?!#)|@import""", text)
    script = (TEMPLATES / "report.js").read_text()
    assert len(script.splitlines()) <= 100 and not re.search(r"fetch|XMLHttp|import\(|localStorage|cookie", script)
    assert text.count("<script>") == 1
    told = facts(reported)
    bare = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)  # what is read without JavaScript
    for row in told["species"]:
        assert f"{row['f_beta']:.3f}" in bare and row["name"] in bare
    assert all(f"<td>{row['name']}</td>" in bare for row in told["tomograms"])
    assert told["operating"]["command"] in bare and bare.count("data:image/jpeg") > 20
    for wanted in ("prefers-color-scheme: dark", "@media print", 'name="viewport"'):
        assert wanted in bare
    assert len(set(re.findall(r'\bid="([^"]+)"', text))) == len(re.findall(r'\bid="([^"]+)"', text))


def test_the_same_run_gives_the_same_report(reported, capsys):
    assert report() == 0
    before = {name: (reported.root / RUN / name).read_bytes() for name in ("report.html", "report.json")}
    assert report("--out", reported.root / "again") == 0
    assert str(reported.root / "again" / "report.html") in capsys.readouterr().out
    assert {name: (reported.root / "again" / name).read_bytes() for name in before} == before


def test_the_operating_curve_counts_as_the_metric_does(material):
    curves = operating(material)
    layer = material.held_out
    for k in (0, 20, 46, 70, len(grid()) - 1):
        thresholds = {p.name: curves["threshold"][k] for p in CZII}
        counts = pool(count(layer.truth, apply_thresholds(layer.fused, thresholds), CZII))
        new = apply_thresholds(material.new.fused, thresholds)["particle_type"].value_counts()
        for name, own in curves["species"].items():
            assert (own["tp"][k], own["fp"][k]) == (counts[name].tp, counts[name].fp)
            assert own["f_beta"][k] == pytest.approx(counts[name].f_beta)
            assert own["recall"][k] == pytest.approx(counts[name].recall)
            assert counts[name].predictions == 0 or own["precision"][k] == pytest.approx(counts[name].precision)
            assert own["new_picks"][k] == new.get(name, 0)


def test_a_species_interval_is_that_of_a_score_with_one_species():
    rng = np.random.default_rng(1)
    names = [f"t{k}" for k in range(6)]
    folds = [
        {"counts": {name: {"a": rng.integers(0, 20, 3).tolist(), "b": rng.integers(0, 20, 3).tolist()}}}
        for name in names
    ]
    particle = Particle("a", 1, 50.0, 0.0)  # a weight of 0 is no obstacle
    found = species_interval(folds, particle)
    table = np.array([fold["counts"][name]["a"] for fold, name in zip(folds, names, strict=True)])
    drawn = table[rng.integers(0, 6, (20_000, 6))].sum(axis=1)
    scores = f_beta(drawn[:, 0], drawn[:, 0] + drawn[:, 1], drawn[:, 0] + drawn[:, 2])
    assert [found["low"], found["high"]] == pytest.approx(np.percentile(scores, [2.5, 97.5]), abs=0.01)
    assert found["deviation"] == pytest.approx(scores.std(), abs=0.005)


def test_reliability_of_probabilities_that_hold(material):
    layer = material.held_out
    one = reliability(layer, CZII[3])
    assert sum(b["count"] for b in one["bins"]) <= (layer.fused["particle_type"] == CZII[3].name).sum()
    assert all(b["low"] <= b["share"] <= b["high"] for b in one["bins"])
    assert wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_what_a_tomogram_warns_of(material):
    stored = dict(material.stored)
    table = stored["TS_8"]["maps"]
    stored["TS_8"] = {"maps": replace(table, remark="contrast inverted", views=1, full=4)}
    stored["TS_9"] = {}
    fewer = replace(material.new, kept=material.new.kept[material.new.kept["experiment"] == "TS_8"])
    rows = {row["name"]: row for row in tomogram_rows(replace(material, stored=stored, new=fewer))}
    assert rows["TS_8"]["warnings"][:3] == [
        "unlike the tomograms that scores were calibrated on: contrast inverted",
        "not predicted by boxes",
        "maps: 1 of 4 views",
    ]
    assert rows["TS_9"]["warnings"] == ["not predicted by boxes", "not predicted by maps", "nothing is reported"]
    assert rows["TS_9"]["picks"] == 0 and rows["TS_9"]["expected_precision"] is None
    assert 0 <= rows["TS_8"]["quality"] <= 1


def test_warnings_have_a_column_only_where_there_are_some(material):
    told = facts_of(material)
    quiet = told | {"tomograms": [row | {"warnings": []} for row in told["tomograms"]]}
    loud = told | {"tomograms": [row | {"warnings": ["few picks"]} for row in told["tomograms"]]}
    assert '<td class="words">few picks</td>' in render(loud, Gallery(), CZII)
    text = render(quiet, Gallery(), CZII)
    assert 'class="words"' not in text and "No tomogram has a warning." in text


def test_tomograms_that_only_were_picked_are_not_called_simulated(material):
    told = facts_of(material) | {"simulated": True}
    assert ">simulated data<" in render(told, Gallery(), CZII)
    text = render(
        told | {"verdict": {"sentences": ["In 1 new tomogram it reports 8 picks."]}, "agreement": None},
        Gallery(),
        CZII,
    )
    assert ">simulated data<" not in text and "probabilities calibrated on simulated tomograms" in text
    assert "<td>calibrated on</td>" in text and "Nested:" not in text


def test_a_printed_page_keeps_its_colours_and_pictures(material):
    text = render(facts_of(material), gather_gallery(material), CZII)
    dot, printed = re.search(r"[.]dot {[^}]*}", text)[0], text.split("@media print", 1)[1]
    assert "print-color-adjust: exact" in dot  # browsers print no backgrounds otherwise, and a legend needs them
    assert "break-inside: avoid" in printed and "break-after: avoid" in printed
    assert 'loading="lazy"' not in text  # a picture that was never scrolled to may be missing on paper


def test_curves_are_told_apart_without_colour():
    """F4 lies on recall over long stretches: its dashes let the other show through."""
    own = {"precision": [0.5, 0.9], "recall": [0.9, 0.5], "f_beta": [0.9, 0.5]}
    lines = re.findall(r'<path d="[^"]*" clip-path[^>]*style="([^"]*)"', operating_chart("a", [0.1, 0.9], own))
    dashed = {re.search("stroke: (#[0-9a-f]+)", line)[1] for line in lines if "dasharray" in line and "#" in line}
    assert dashed == {LINES[2]}


def test_pictures_get_smaller_until_the_page_fits(material, monkeypatch):
    told = facts_of(material)
    gallery = gather_gallery(material)
    drawn = charts(told)
    monkeypatch.setattr(page, "charts", lambda facts: drawn)
    assert list(gallery.slices) == [*sorted(TRAIN, key=lambda name: -_score(told, name)), *TEST]
    whole = len(render(told, gallery, CZII).encode())
    bare = len(render(told, Gallery(), CZII).encode())
    monkeypatch.setattr(page, "LIMIT", bare + (whole - bare) * 2 // 3)
    assert bare < len(render(told, gallery, CZII).encode()) <= page.LIMIT
    monkeypatch.setattr(page, "LIMIT", bare + 500)
    text = render(told, gallery, CZII)
    assert len(text.encode()) <= page.LIMIT and "too many for one file" in text


def _score(told, name):
    return next(row["score"] for row in told["tomograms"] if row["name"] == name)


def test_five_hundred_tomograms_fit(material):
    one, shape = material.new, material.stored["TS_8"]
    names = [f"grid_{k:03d}" for k in range(500)]
    many = [one.fused[one.fused["experiment"] == "TS_8"].assign(experiment=name) for name in names]
    fused = pd.concat(many, ignore_index=True)
    layer = replace(one, names=tuple(names), fused=fused, kept=material.fusion.keep(fused), judged=())
    told = facts_of(replace(material, new=layer, stored=dict.fromkeys(names, shape)))
    assert len([row for row in told["tomograms"] if row["kind"] == "new"]) == 500
    assert len(json.dumps(told)) < LIMIT
    assert len(render(told, Gallery(), CZII).encode()) < LIMIT / 5  # the rest is for pictures


def test_without_truth_and_without_data(reported, capsys):
    (reported.root / RUN / "truth.csv").unlink()  # as in a run that was packed for Kaggle
    shutil.rmtree(reported.root / "data")
    assert report() == 0
    assert "without pictures" in capsys.readouterr().out
    told, text = facts(reported), html(reported)
    assert told["agreement"] is None and [row["name"] for row in told["tomograms"]] == list(TEST)
    assert "tp" not in told["operating"]["species"]["ribosome"] and "The tomograms are not at hand" in text
    assert 'class="card point"' in text


def test_before_anything_is_predicted(project, capsys):
    assert report() == 0
    assert "No new tomogram has been predicted" in html(project)
    assert facts(project)["tomograms"] == [] and facts(project)["geometry"] is None


def test_tomograms_that_cannot_be_shown_are_told(reported):
    next((reported.data / "train/static/ExperimentRuns/TS_1").glob("**/0/0/0/0")).write_bytes(b"broken")
    volume = reported.root / "data/test/static/ExperimentRuns"
    shutil.rmtree(volume / "TS_8")
    shutil.copytree(volume / "TS_9", volume / "TS_8")  # another tomogram than the one that was predicted
    assert report() == 0
    problems = re.findall(r'<p class="simulated">(.*?)</p>', html(reported))
    assert len(problems) == 2 and problems[0].startswith("TS_1: ") and "has changed since" in problems[1]


def test_names_are_text_and_never_markup(material):
    nasty = '</script><b title="x">&'
    told = facts_of(material)
    told["run"] = nasty
    told["tomograms"][0]["name"] = nasty
    told["operating"]["species"][nasty] = told["operating"]["species"].pop("ribosome")
    gallery = Gallery(problems=[nasty])
    particles = tuple(replace(p, name=nasty) if p.name == "ribosome" else p for p in CZII)
    for part in (told["geometry"]["species"], told["geometry"]["taken_for"], told["agreement"]["finds"]):
        part[nasty] = part.pop("ribosome")
    for rows in (*told["geometry"]["taken_for"].values(),):
        rows[nasty] = rows.pop("ribosome")
    for row in told["species"]:
        row["name"] = nasty if row["name"] == "ribosome" else row["name"]
    for row in told["tomograms"]:
        row["by_species"][nasty] = row["by_species"].pop("ribosome")
    for row in told["agreement"]["scores"]:
        row["by_species"][nasty] = row["by_species"].pop("ribosome")
    for own in told["agreement"]["offsets"].values():
        own["spread"][nasty] = own["spread"].pop("ribosome")
    text = render(told, gallery, particles)
    assert nasty not in text and "<b title" not in text
    (data,) = re.findall(r'id="operating-data">(.*?)</script>', text, re.DOTALL)
    assert nasty in json.loads(data)["species"]


def test_a_submission_is_kept_where_its_report_fails(reported, capsys):
    record = read_json(reported.root / RUN / "ensemble.json")
    record["scores"]["ensemble"]["particles"]["ribosome"]["counts"][0] += 1
    write_json(reported.root / RUN / "ensemble.json", record)
    assert make(["--run", "tiny"]) == 0
    out = capsys.readouterr().out
    assert "checked; copied" in out and "no report: " in out and "build it again" in out
    assert report() == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_failures_are_kept_for_the_report(reported, capsys):
    damage(reported, "TS_9")
    assert make(["--run", "tiny"]) == 3
    (failure,) = facts(reported)["costs"]["failures"]
    assert failure["tomogram"] == "TS_9" and "intact chunk" in failure["reason"]
    assert report() == 0
    assert facts(reported)["costs"]["failures"] == [failure]
    row = next(row for row in facts(reported)["tomograms"] if row["name"] == "TS_9")
    assert failure["reason"] in row["warnings"]


def test_marks_of_the_layers_count_as_the_metric_does(material):
    for layer in material.layers:
        counts = pool(count(layer.truth, layer.kept, CZII))
        for name, own in counts.items():
            kinds = layer.marks.loc[layer.marks["particle_type"] == name, "kind"].value_counts()
            assert kinds.get(MISS, 0) == own.fn
            assert kinds.get(HIT, 0) + kinds.get(FALSE_POSITIVE, 0) == own.predictions


def test_nested_scores_of_members_are_those_of_the_layers(material):
    truth = material.held_out.truth
    for member, table in material.members.items():
        fit = partial(fit_alone, particles=CZII, member=member)
        result = nested_fit(fit, truth, material.candidates, particles=CZII, folds=material.run.folds)
        assert pool(count(truth, table, CZII)) == result.pooled
        assert material.scores[member]["interval"]["low"] == score_interval(result).low


def test_plain_values():
    assert plain({"a": (1.0, float("nan"), "x"), 2: [float("inf")]}) == {"a": [1.0, None, "x"], "2": [None]}
