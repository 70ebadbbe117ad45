import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from evaluation.counts import count
from postproc.candidates import concatenate, empty_candidates, make_candidates
from submissions.pictures import main
from submissions.prediction.fusion import load_fusion
from submissions.report.charts import COLOURS, INK
from submissions.report.colours import BRIGHT, species_colours
from submissions.report.layers import FALSE_POSITIVE, FOUND, FUSED, HIT, MISS, judge, load_layers
from submissions.report.panels import MARKER, _counted, _draw_legend, slice_positions, write_panels
from tests.submissions.conftest import RUN, TEST, TRAIN
from tomograms.errors import run_command
from tomograms.particles import CZII, Particle
from tomograms.picks import join_truth, make_truth
from tomograms.tomogram import Tomogram

A, B = Particle("a", 1, 50.0, 1.0), Particle("b", 2, 50.0, 1.0)


def found(*rows):
    tables = [make_candidates("t", name, [[x, 0, 0]], [score], member="m", model="") for name, x, score in rows]
    return concatenate(tables)


def kinds(marks):
    return [(row.particle_type, row.x, row.kind) for row in marks.itertuples()]


def test_hits_misses_and_false_positives():
    truth = join_truth([make_truth("t", "a", [[0, 0, 0], [500, 0, 0]]), make_truth("t", "b", [[900, 0, 0]])])
    marks = judge(truth, found(("a", 10, 0.5), ("a", 20, 0.9), ("a", 900, 0.3), ("b", 925, 0.2)), (A, B))
    assert kinds(marks) == [
        ("a", 20, HIT),
        ("a", 10, FALSE_POSITIVE),  # a second one on the same particle
        ("a", 900, FALSE_POSITIVE),  # another species
        ("b", 925, HIT),  # exactly half a radius away
        ("a", 500, MISS),
    ]


def test_marks_count_as_the_metric_does(project):
    truth, table = project.run.truth(), project.run.candidates(["maps"])
    counts = count(truth, table, CZII)
    for name in TRAIN:
        own = [t[t["experiment"] == name].reset_index(drop=True) for t in (truth, table)]
        marks = judge(own[0], own[1], CZII)
        for particle in CZII:
            number = marks.loc[marks["particle_type"] == particle.name, "kind"].value_counts()
            expected = counts[name][particle.name]
            assert number.get(MISS, 0) == expected.fn
            assert number.get(HIT, 0) + number.get(FALSE_POSITIVE, 0) == expected.predictions


def test_nothing_found_or_no_truth():
    truth = make_truth("t", "a", [[0, 0, 0]])
    assert kinds(judge(truth, empty_candidates(), (A, B))) == [("a", 0, MISS)]
    assert kinds(judge(None, found(("a", 10, 0.5)), (A, B))) == [("a", 10, FOUND)]
    assert judge(truth.iloc[:0], empty_candidates(), (A, B)).empty
    assert judge(None, empty_candidates(), (A, B)).empty


def test_one_of_a_kind_is_not_many():
    truth = make_truth("t", "a", [[0, 0, 0], [300, 0, 0]])
    title = _counted(judge(truth, found(("a", 0, 0.9), ("a", 900, 0.5), ("a", 990, 0.4)), (A, B)))
    assert title == "1 hit, 1 miss, 2 false positives"


def test_kinds_differ_in_shape_and_species_in_colour():
    assert len({MARKER[kind] for kind in (HIT, MISS, FALSE_POSITIVE)}) == 3
    colours = species_colours(CZII)
    assert list(colours) == [particle.name for particle in CZII]
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours.values()])
    apart = np.abs(rgb[:, None] - rgb).max(axis=-1) + np.eye(len(rgb))
    assert apart.min() > 0.25
    assert (rgb @ [0.2126, 0.7152, 0.0722]).min() > 0.4  # on a dark particle, too
    many = species_colours([Particle(f"p{i}", i, 1.0, 1.0) for i in range(40)])
    assert len(set(many.values())) == 40


CONFUSED = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
"""What colour-blind people see, on linear RGB: Machado, Oliveira and Fernandes (2009)."""
LAB = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
WHITE = [0.9505, 1.0, 1.089]


def least_distance(colours, seen):
    """Return the least CIE 1976 distance of two of these colours, as somebody sees them with this matrix."""
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours])
    linear = np.clip(np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92) @ np.transpose(seen), 0, 1)
    part = linear @ np.transpose(LAB) / WHITE
    x, y, z = np.where(part > 0.008856, np.cbrt(part), 7.787 * part + 16 / 116).T
    lab = np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
    return (np.linalg.norm(lab[:, None] - lab, axis=-1) + 1e9 * np.eye(len(lab))).min()


@pytest.mark.parametrize("seen", [np.eye(3), *CONFUSED.values()], ids=["all", *CONFUSED])
def test_colour_blind_readers_tell_colours_apart(seen):
    assert least_distance(BRIGHT, seen) > 16
    for page in ("#ffffff", "#15191f"):
        ink = "#1d2430" if page == "#ffffff" else "#e4e8ee"
        kinds = {ink if colour == INK else colour for colour in COLOURS.values()}
        assert least_distance([*kinds, page], seen) > 16


def test_marks_of_a_slice_are_drawn_in_the_colours_of_their_species(tmp_path):
    volume = np.zeros((8, 60, 80), np.float32)
    volume[:, ::2] = 1.0
    rows = [("a", 200.0, 300.0, HIT), ("b", 400.0, 300.0, MISS), ("b", 600.0, 300.0, FALSE_POSITIVE)]
    marks = pd.DataFrame(rows, columns=["particle_type", "x", "y", "kind"]).assign(z=40.0)
    drawn = []
    for table in (marks, marks.iloc[:0]):
        write_panels(
            tmp_path / "t.png", Tomogram("t", volume, 10.0), {"fused": table}, particles=(A, B), slices=1, note="n"
        )
        drawn.append(imread(tmp_path / "t.png")[..., :3])
    for colour in species_colours((A, B)).values():
        rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        exact = [int((np.abs(picture - rgb).max(axis=-1) < 0.02).sum()) for picture in drawn]
        assert exact[0] > exact[1] or colour == "#FFFFFF"


@pytest.mark.parametrize("name", ["$$", r"$\frac$", "a$b_$c", "トモ", "{}", "x" * 200])
def test_any_name_can_be_drawn(tmp_path, name):
    particle = Particle(name, 1, 50.0, 1.0)
    marks = {name: judge(None, make_candidates("t", name, [[10, 20, 30]], [0.5], member="m", model=""), (particle,))}
    tomogram = Tomogram(name, np.random.default_rng(0).normal(size=(6, 20, 20)).astype(np.float32), 10.0)
    with warnings.catch_warnings(action="error"):
        write_panels(tmp_path / "a.png", tomogram, marks, particles=(particle,), slices=1, note="note")
    assert imread(tmp_path / "a.png").ndim == 3


def test_slices_divide_the_particles():
    assert slice_positions(np.arange(0.0, 61.0), 100, 3).tolist() == [10, 30, 50]
    assert slice_positions(np.array([]), 90, 3).tolist() == [15, 45, 75]
    assert slice_positions(np.array([200.0, -5.0]), 90, 2).max() <= 89


def view(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--run", "tiny", *map(str, arguments)])
    return end.value.code


def test_a_picture_of_every_tomogram(predicted):
    assert view("--slices", 2) == 0
    folder = predicted.root / RUN / "pictures"
    assert sorted(path.stem for path in folder.iterdir()) == sorted([*TRAIN, *TEST])

    picture = imread(folder / "TS_8.png")
    assert picture.shape[0] > 500 and picture.shape[1] > 500 and picture[..., :3].std() > 0.05


def test_what_is_shown_of_a_held_out_tomogram(project):
    layers = load_layers(load_fusion(project.run, []))
    shown = layers.held_out("TS_1")
    assert list(shown) == ["boxes", "maps", FUSED]
    assert all(set(table["experiment"]) == {"TS_1"} for table in shown.values())
    everything = project.run.candidates(["maps"])
    own = everything[everything["experiment"] == "TS_1"]
    assert 0 < len(shown["maps"]) <= len(own)
    for row in shown["maps"].itertuples():  # the member's own candidates, their offset taken back
        same = own.loc[own["particle_type"] == row.particle_type, ["x", "y", "z"]].to_numpy()
        assert np.linalg.norm(same - [row.x, row.y, row.z], axis=1).min() < 20


def test_one_species_of_one_tomogram_elsewhere(project, capsys):
    assert view("--tomograms", "TS_2", "--species", "ribosome", "--slices", 1, "--out", project.root / "out") == 0
    assert [path.name for path in (project.root / "out").iterdir()] == ["TS_2.png"]
    assert view("--tomograms", "TS_8") == 0
    assert "not predicted yet" in capsys.readouterr().out


def test_wrong_input_is_one_line(project, capsys):
    assert view("--species", "proteasome") == 2
    assert view("--tomograms", "TS_77") == 2
    assert view("--slices", 0) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines)


@pytest.mark.parametrize("width", [3.2, 5.0, 12.0])
def test_a_legend_is_no_wider_than_its_picture(width):
    marks = pd.DataFrame({"particle_type": [p.name for p in CZII], "kind": [HIT, MISS, FALSE_POSITIVE] * 2})
    figure = Figure(figsize=(width, 6), layout="constrained")
    figure.subplots()
    _draw_legend(figure, [marks], species_colours(CZII))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
