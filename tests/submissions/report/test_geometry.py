import numpy as np
import pandas as pd

from postproc.candidates import concatenate, make_candidates
from submissions.report.agreement import _finds, _pairs
from submissions.report.cutouts import REACH, SIDE, contrast, planes, strip, to_grey
from submissions.report.gallery import _fullest, slices
from submissions.report.geometry import AGAIN, NOTHING, edge_distance, nearest, taken_for
from submissions.report.layers import FUSED
from submissions.report.material import Layer
from submissions.report.selection import CROPS, LEFT_OUT, LEFT_OUT_RIGHT, chosen_crops
from tomograms.coordinates import Extent
from tomograms.particles import Particle
from tomograms.picks import join_truth, make_truth
from tomograms.tomogram import Tomogram

A, B = Particle("a", 1, 50.0, 1.0), Particle("b", 2, 100.0, 1.0)


def candidates(*rows, name="t"):
    tables = [make_candidates(name, kind, [[x, 0, 0]], [score], member="m", model="") for kind, x, score in rows]
    return concatenate(tables)


def layer(truth, fused, kept):
    return Layer(("t",), fused, kept, truth, ("t",), (A, B))


def test_what_a_false_pick_lies_on():
    truth = join_truth([make_truth("t", "a", [[0, 0, 0], [1000, 0, 0]]), make_truth("t", "b", [[500, 0, 0]])])
    found = candidates(
        ("a", 5, 0.9),  # a hit
        ("a", 20, 0.5),  # the same particle again
        ("a", 530, 0.4),  # within 50 Å, half the radius, of a b
        ("a", 560, 0.3),  # and beyond
        ("b", 1010, 0.3),  # on an a that nobody found
        ("b", 1030, 0.2),  # 30 Å off, half the radius of an a is 25
    )
    told = taken_for(layer(truth, found, found))
    assert told["a"] == {"a": 0, "b": 1, AGAIN: 1, NOTHING: 1}
    assert told["b"] == {"a": 1, "b": 0, AGAIN: 0, NOTHING: 1}


def test_nearest_neighbours_are_of_the_same_tomogram():
    both = pd.concat([candidates(("a", 0, 0.5), ("a", 30, 0.5), ("a", 100, 0.5)), candidates(("a", 1, 0.5), name="u")])
    assert sorted(nearest(both)) == [30, 30, 70]
    assert len(nearest(both.iloc[:0])) == 0


def test_distance_to_the_nearest_face():
    marks = pd.DataFrame({"experiment": ["t", "t", "u"], "x": [0.0, 250, 0], "y": [100.0, 100, 0], "z": [60.0, 60, 0]})
    found = edge_distance(marks, {"t": Extent((20, 40, 30), 10.0)})  # x ends at 295, z at 195, all begin at -5
    assert found[:2].tolist() == [5.0, 45.0] and np.isnan(found[2])


def test_who_finds_what():
    found = {"p": [1, 1, 0, 0, 0], "q": [1, 0, 1, 0, 0], FUSED: [1, 1, 0, 1, 0]}
    found = {name: np.array(own, bool) for name, own in found.items()}
    told = _finds(found, np.ones(5, bool))
    assert told["alone"] == {"p": 1, "q": 1} and told["members"] == {"p": 2, "q": 2}
    assert (told["all_members"], told["nobody"], told["added_by_fusing"], told["lost_by_fusing"]) == (1, 1, 1, 1)
    (pair,) = _pairs({name: found[name] for name in "pq"})
    assert (pair["both"], pair["either"], pair["share"]) == (1, 3, 1 / 3)


def test_planes_through_a_position():
    volume = np.zeros((40, 50, 60), np.float32)
    z, y, x = np.indices(volume.shape)
    volume[:] = x + 100 * y + 10_000 * z
    (cut,) = planes(Tomogram("t", volume, 10.0), np.array([[300.0, 250.0, 200.0]]), 50.0)
    offset = np.linspace(-5 * REACH, 5 * REACH, SIDE)  # voxels
    down, right = offset[:, None], offset[None]
    centre = 30 + 100 * 25 + 10_000 * 20
    np.testing.assert_allclose(cut[0], centre + 100 * down + right, rtol=1e-5)
    np.testing.assert_allclose(cut[1], centre + 10_000 * down + right, rtol=1e-5)
    np.testing.assert_allclose(cut[2], centre + 10_000 * down + 100 * right, rtol=1e-5)


def test_planes_end_where_the_volume_ends():
    volume = np.ones((10, 10, 10), np.float32)
    cuts = planes(Tomogram("t", volume, 10.0), np.array([[0.0, 50.0, 50.0], [1e4, 0, 0]]), 30.0)
    assert (cuts[0, 0, SIDE // 2, : SIDE // 2 - 5] == 0).all() and cuts[0, 0, SIDE // 2, -5:-1].all()
    assert not cuts[1].any()
    assert planes(Tomogram("t", volume, 10.0), np.empty((0, 3)), 30.0).shape == (0, 3, SIDE, SIDE)


def test_grey_levels():
    assert to_grey(np.array([-9.0, 0, 0.5, 1, 9]), 0.0, 1.0).tolist() == [0, 0, 128, 255, 255]
    assert to_grey(np.zeros(2), 0.0, 0.0).tolist() == [0, 0]
    assert strip(np.zeros((3, SIDE, SIDE)), *contrast([np.zeros(3)])).shape == (SIDE, 3 * SIDE + 4)


def test_slices_cut_the_most_particles_and_mark_them():
    volume = np.random.default_rng(0).normal(size=(30, 40, 50)).astype(np.float32)
    rows = [("a", 100.0, 200.0, 50.0), ("a", 300.0, 210.0, 60.0), ("b", 400.0, 20.0, 280.0)]
    marks = pd.DataFrame(rows, columns=["particle_type", "x", "y", "z"]).assign(kind="hit", score=0.5)
    xy, xz = slices(Tomogram("t", volume, 10.0), marks, (A, B))
    assert xy.grey.shape == (40, 50) and xz.grey.shape == (30, 50)
    assert list(xy.marks["column"]) == [10.5, 30.5] and list(xy.marks["row"]) == [20.5, 21.5]
    assert list(xz.marks["row"]) == [5.5, 6.5]
    assert _fullest(np.empty(0), np.empty(0), 9) == 4  # the middle where there is nothing


def test_crops_are_the_surest_the_borderline_and_the_missed():
    truth = join_truth([make_truth("t", "a", [[0, 0, 0], [1000, 0, 0], [2000, 0, 0]])])
    rows = [("a", 0, 0.9), ("a", 500, 0.4), ("a", 1000, 0.2), ("a", 700, 0.1), ("a", 800, 0.01)]
    fused = candidates(*rows)
    chosen = chosen_crops([layer(truth, fused, fused[fused["score"] > 0.3])], ["t"])["a"]
    assert list(chosen["surest"]["score"]) == [0.9, 0.4]
    assert list(chosen["borderline"]["kind"]) == ["hit", "false positive", LEFT_OUT_RIGHT, LEFT_OUT, LEFT_OUT]
    assert list(chosen["missed"]["x"]) == [1000, 2000]
    many = candidates(*[("a", 100 * k, 0.99 - 0.01 * k) for k in range(60)])
    chosen = chosen_crops([layer(truth, many, many.iloc[:30])], ["t"])["a"]
    assert list(chosen["surest"]["x"]) == [100 * k for k in range(CROPS)]
    assert list(chosen["borderline"]["x"]) == [100 * k for k in range(24, 36)]  # six on either side of the cut
