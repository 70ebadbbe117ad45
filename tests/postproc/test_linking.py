import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.outputs import SliceBoxes
from postproc.candidates import COLUMNS
from postproc.linking import CORE, RIM, link, link_boxes
from tomograms.coordinates import to_angstrom
from tomograms.particles import CZII, Particle

BALL = Particle("ball", 1, 100.0, 1.0)  # ten voxels of 10 Å
VOXEL = 10.0


def boxes(rows, *, axis=0, step=1):
    """Boxes from rows (slice, row, column, half side, confidence, label)."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    slices, row, column, half, confidence, label = table.T
    return SliceBoxes(
        axis=axis,
        slice_index=slices.astype(np.float32),
        thickness=1,
        step=step,
        xyxy=np.stack([column - half, row - half, column + half, row + half], axis=1).astype(np.float32),
        confidence=confidence.astype(np.float32),
        label=label.astype(np.int16),
    )


def sphere(centre, radius, *, confidence=0.8, label=1, step=1, least=0.5):
    """A sphere's exact cross-sections: half the box is sqrt(R^2 - dz^2)."""
    slices = np.arange(0, 200, step)
    half = np.sqrt(np.maximum(radius**2 - (slices - centre[0]) ** 2, 0))
    return [
        (z, centre[1], centre[2], h, confidence, label)
        for z, h in zip(slices, half, strict=True)
        if h >= least * radius
    ]


def linked(rows, **options):
    return link_boxes(boxes(rows, **options), (BALL,), VOXEL, experiment="TS", member="yolo", model="m")


def test_a_sliced_sphere_comes_back_at_its_sub_voxel_centre():
    # z is a half-integer, so the slices lie symmetrically around it and the mean slice is exact.
    found = linked(sphere((40.5, 31.3, 52.7), 10.0))
    assert len(found) == 1
    np.testing.assert_allclose(found.loc[0, ["x", "y", "z"]].to_numpy(float), [527.0, 313.0, 405.0], atol=1e-3)


@pytest.mark.parametrize("z", [40.0, 40.2, 40.37, 40.9])
def test_z_is_at_most_half_a_slice_off(z):
    found = linked(sphere((z, 31.0, 52.0), 10.0))
    assert abs(found.loc[0, "z"] - z * VOXEL) <= VOXEL / 2


def test_the_score_is_the_mean_confidence_over_the_slices_through_the_middle():
    rows = sphere((40.0, 30.0, 30.0), 10.0, confidence=0.25)
    assert len(rows) == 17  # |dz| <= 8, all of them short of the rim
    assert linked(rows).loc[0, "score"] == pytest.approx(0.25)
    missed = [row for row in rows if row[0] not in (38, 39, 43)]
    assert linked(missed).loc[0, "score"] == pytest.approx(0.25 * (1 - 3 / (2 * CORE * 10)), rel=0.05)


def test_a_column_that_runs_on_scores_less_by_its_share_beyond_the_rim():
    column = [(z, 30.0, 30.0, 10.0, 0.5, 1) for z in range(23, 58)]  # |dz| <= 17, as far as boxes are looked for
    beyond = 2 * (17.5 - RIM * 10)
    score = 0.5 * 2 * CORE * 10 / (2 * CORE * 10 + beyond)
    found = linked(column)
    assert found.loc[found["score"].idxmax(), "score"] == pytest.approx(score, rel=0.02)


@pytest.mark.parametrize("end", [52, 55, 58, 61])
def test_a_track_that_is_drawn_out_keeps_its_middle(end):
    # What the missing wedge smears out is weak; it must neither seed a particle of its own nor draw boxes to it.
    rows = sphere((40.0, 30.0, 30.0), 10.0) + [(z, 30.0, 30.0, 5.0, 0.1, 1) for z in range(49, end + 1)]
    best = linked(rows).sort_values("score").iloc[-1]
    assert best["z"] == pytest.approx(400.0, abs=15.0)
    assert best["score"] > 0.6


@pytest.mark.parametrize("step", [1, 2, 3])
def test_the_score_is_at_most_one(step):
    score = linked(sphere((42.0, 30.0, 30.0), 10.0, confidence=1.0, step=step), step=step).loc[0, "score"]
    assert score <= 1.0
    assert score == pytest.approx(1.0)


def test_coarser_slices_give_the_same_score():
    fine, coarse = (linked(sphere((40.0, 30.0, 30.0), 10.0, step=s), step=s).loc[0, "score"] for s in (1, 2))
    assert coarse == pytest.approx(fine, rel=0.1)


def test_a_missed_slice_does_not_split_a_particle():
    rows = [row for row in sphere((40.0, 30.0, 30.0), 10.0) if row[0] not in (38, 39, 43)]
    assert len(linked(rows)) == 1


def test_particles_on_top_of_each_other_stay_apart():
    rows = sphere((40.0, 30.0, 30.0), 10.0) + sphere((61.0, 30.0, 30.0), 10.0)
    found = linked(rows).sort_values("z")
    np.testing.assert_allclose(found["z"], [400.0, 610.0], atol=5.0)


def test_neighbours_in_the_plane_stay_apart():
    rows = sphere((40.0, 30.0, 30.0), 10.0) + sphere((43.0, 30.0, 46.0), 10.0)
    np.testing.assert_allclose(sorted(linked(rows)["x"]), [300.0, 460.0], atol=5.0)


def test_species_do_not_disturb_each_other():
    pair = (BALL, Particle("other", 2, 100.0, 1.0))
    rows = sphere((40.0, 30.0, 30.0), 10.0) + sphere((40.0, 31.0, 30.0), 10.0, label=2, confidence=0.1)
    both = link_boxes(boxes(rows), pair, VOXEL, experiment="TS", member="yolo", model="m")
    assert sorted(both["particle_type"]) == ["ball", "other"]
    alone = linked(sphere((40.0, 30.0, 30.0), 10.0))
    pd.testing.assert_frame_equal(both[both["particle_type"] == "ball"].reset_index(drop=True), alone)


def test_double_boxes_in_a_slice_count_once():
    rows = sphere((40.0, 30.0, 30.0), 10.0, confidence=0.25)
    doubled = rows + [(*row[:4], 0.125, 1) for row in rows]
    assert linked(doubled).loc[0, "score"] == pytest.approx(linked(rows).loc[0, "score"])


def test_weak_boxes_near_a_strong_particle_are_no_second_candidate():
    rows = [*sphere((40.0, 30.0, 30.0), 10.0), (40, 33.0, 32.0, 10.0, 0.01, 1)]
    assert len(linked(rows)) == 1


def test_a_single_weak_box_is_kept_with_a_low_score():
    found = linked([(12, 20.0, 25.0, 9.0, 0.01, 1)])
    assert found[["x", "y", "z"]].to_numpy().tolist() == [[250.0, 200.0, 120.0]]
    assert found.loc[0, "score"] == pytest.approx(0.01 / (2 * CORE * 10))


def test_the_score_counts_the_best_box_of_each_slice_in_the_core():
    centre, score = link(boxes([*sphere((40.0, 30.0, 30.0), 10.0), (40, 30.5, 30.0, 10.0, 0.9, 1)]), 1, 10.0)
    assert len(centre) == 1
    inside = 8 * 0.8 + 0.9 + 2 * 0.5 * 0.8  # |dz| <= 4 whole, half of |dz| = 5; nothing lies beyond the rim
    assert score == pytest.approx([inside / (2 * CORE * 10.0)])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_axis_can_have_been_sliced(axis):
    # The tuple below is (position along the axis, first other axis, second other axis), as SliceBoxes states it.
    found = linked(sphere((40.0, 30.0, 20.0), 10.0), axis=axis)
    index = np.insert([30.0, 20.0], axis, 40.0)
    np.testing.assert_allclose(found[["x", "y", "z"]].to_numpy(), to_angstrom(index, VOXEL), atol=1e-3)


def test_no_boxes_give_an_empty_table_with_its_columns():
    found = linked([])
    assert list(found.columns) == COLUMNS
    assert len(found) == 0
    assert [len(part) for part in link(boxes([]), 1, 10.0)] == [0, 0]


def test_boxes_of_undeclared_labels_are_dropped():
    assert len(linked([(12, 20.0, 25.0, 9.0, 0.5, 7)])) == 0


box = st.tuples(
    st.integers(0, 30),
    st.integers(0, 120).map(lambda v: v / 2),
    st.integers(0, 120).map(lambda v: v / 2),
    st.just(8.0),
    st.sampled_from([0.01, 0.25, 0.5, 0.5, 0.9]),
    st.integers(1, 6),
)


@settings(max_examples=30)
@given(st.lists(box, max_size=40), st.randoms(use_true_random=False))
def test_the_boxes_order_does_not_matter(rows, random):
    def run(rows):
        return link_boxes(boxes(rows), CZII, VOXEL, experiment="TS", member="yolo", model="m")

    shuffled = list(rows)
    random.shuffle(shuffled)
    pd.testing.assert_frame_equal(run(rows), run(shuffled))


@settings(max_examples=30)
@given(st.lists(box, max_size=40))
def test_no_two_of_a_species_lie_within_half_a_radius(rows):
    found = link_boxes(boxes(rows), CZII, VOXEL, experiment="TS", member="yolo", model="m")
    for particle in CZII:
        xyz = found.loc[found["particle_type"] == particle.name, ["x", "y", "z"]].to_numpy()
        distance = np.linalg.norm(xyz[:, None] - xyz[None], axis=2)
        distance[np.diag_indices(len(xyz))] = np.inf
        assert (distance > 0.5 * particle.radius * (1 - 1e-9)).all()  # exactly that far is not closer


@settings(max_examples=30)
@given(st.lists(box, min_size=1, max_size=30), st.integers(1, 50), st.integers(1, 50))
def test_moving_the_boxes_moves_the_particles(rows, dz, dy):
    def run(rows):
        found = link_boxes(boxes(rows), CZII, VOXEL, experiment="TS", member="yolo", model="m")
        return found[["x", "y", "z", "score"]].to_numpy()

    moved = run([(z + dz, y + dy, *rest) for z, y, *rest in rows])
    np.testing.assert_allclose(moved, run(rows) + np.array([0, dy * VOXEL, dz * VOXEL, 0]), atol=1e-6)
