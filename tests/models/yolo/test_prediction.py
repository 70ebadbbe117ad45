from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.yolo.network import all_finite, build_network, exact
from models.yolo.prediction import YoloPredictor, complete, suppress, turn, undo
from models.yolo.settings import YoloSettings
from models.yolo.slices import canvas, image
from tomograms.errors import InputError
from tomograms.tomogram import Tomogram

SIDE = 64
FULL = canvas((1, SIDE, SIDE), 1.0)  # a slice that fills its image
ANCHORS = 8 * 8 + 4 * 4 + 2 * 2


def centres():
    """Continuous x, y of every anchor, level by level, row by row."""
    levels = []
    for stride in (8, 16, 32):
        n = SIDE // stride
        rows, columns = np.divmod(np.arange(n * n), n)
        levels.append(np.stack([(columns + 0.5) * stride, (rows + 0.5) * stride]))
    return np.concatenate(levels, axis=1)


def test_predictions_that_follow_the_view_come_back_as_the_images_own():
    # A network that reports, at each anchor, the colour it sees there, and a box 3 right of it, 5 wide and 7 high.
    rng = np.random.default_rng(0)
    picture = torch.from_numpy(rng.random((SIDE, SIDE)))
    x, y = (torch.from_numpy(c) for c in centres())

    def network(seen, shift, size):
        colour = seen[y.long(), x.long()]
        box = [x + shift[0], y + shift[1], torch.full_like(x, size[0]), torch.full_like(x, size[1])]
        return torch.stack([*box, colour])[None]

    own = network(picture, (3.0, 1.0), (5.0, 7.0))
    for view in range(8):
        dx = -3.0 if view & 1 else 3.0
        dy = -1.0 if view & 2 else 1.0
        shift, size = ((dy, dx), (7.0, 5.0)) if view & 4 else ((dx, dy), (5.0, 7.0))
        back = undo(network(turn(picture, view), shift, size), view, SIDE)
        np.testing.assert_allclose(back[:, :4], own[:, :4], atol=1e-9)
        # The pixel that holds an anchor's centre is the lower right of four, and mirroring makes it another of them.
        expected = network(turn(turn_back(turn(picture, view), view), 0), (3.0, 1.0), (5.0, 7.0))
        np.testing.assert_allclose(expected, own)


def turn_back(picture, view):
    picture = picture.transpose(-1, -2) if view & 4 else picture
    return torch.flip(picture, [axis for axis, bit in ((-1, 1), (-2, 2)) if view & bit])


def test_the_eight_views_are_different():
    picture = torch.arange(9.0).reshape(3, 3)
    assert len({tuple(turn(picture, view).ravel().tolist()) for view in range(8)}) == 8


def found(rows, images=1, classes=2):
    """Predictions (image, 4 + class, anchor) from rows (image, x, y, width, height, score of each class)."""
    out = torch.zeros(images, 4 + classes, max(len(rows), 1))
    for anchor, (which, *values) in enumerate(rows):
        out[which, :, anchor] = torch.tensor(values)
    return out


def reference(rows, iou):
    """The same by hand: in each image and class, best first, a box is dropped if it overlaps a kept one too much."""
    kept = []
    boxes = [
        (which, label, score, (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
        for which, x, y, w, h, *scores in rows
        for label, score in enumerate(scores)
        if score > 0.1
    ]
    for which, label, score, box in sorted(boxes, key=lambda b: -b[2]):
        rivals = [b for i, c, _, b in kept if (i, c) == (which, label)]
        if all(overlap(box, b) <= iou for b in rivals):
            kept.append((which, label, score, box))
    return sorted((i, c, round(s, 5)) for i, c, s, _ in kept)


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 25))
def test_suppression_equals_the_textbook(seed, count):
    rng = np.random.default_rng(seed)
    rows = [
        (int(rng.integers(2)), *rng.uniform(0, 30, 2), *rng.uniform(4, 16, 2), *rng.permutation(100)[:2] / 100)
        for _ in range(count)
    ]
    which, _, score, label = suppress(found(rows, images=2), confidence=0.1, iou=0.5, most=1000)
    got = sorted((int(i), int(c), round(float(s), 5)) for i, c, s in zip(which, label, score, strict=True))
    assert got == reference(rows, 0.5)


def test_species_do_not_suppress_each_other_and_one_anchor_may_show_several():
    which, xyxy, score, label = suppress(found([(0, 10, 20, 4, 6, 0.9, 0.8)]), confidence=0.1, iou=0.5, most=10)
    assert which.tolist() == [0, 0]
    assert label.tolist() == [0, 1]
    assert score.tolist() == pytest.approx([0.9, 0.8])
    assert xyxy.tolist() == [[8, 17, 12, 23]] * 2


def test_the_best_boxes_of_each_image_are_kept():
    rows = [(i, 10 + 20 * j, 10, 4, 4, 0.2 + 0.1 * j, 0) for i in range(2) for j in range(4)]
    which, _, score, _ = suppress(found(rows, images=2), confidence=0.1, iou=0.5, most=2)
    assert which.tolist() == [0, 0, 1, 1]
    assert score.tolist() == pytest.approx([0.5, 0.4, 0.5, 0.4])


def test_nothing_found_gives_empty_arrays():
    which, xyxy, score, label = suppress(found([]), confidence=0.1, iou=0.5, most=2)
    assert (which.shape, xyxy.shape, score.shape, label.shape) == ((0,), (0, 4), (0,), (0,))


@given(st.floats(0, SIDE), st.floats(15, SIDE - 15), st.floats(2, 14), st.integers(0, 7))
def test_a_circle_that_the_edge_cuts_off_keeps_its_centre(along, across, radius, view):
    # As labels are made: the circle's box, cut at the image's edge; then the image is mirrored and turned.
    circle = np.array([[along - radius, across - radius, along + radius, across + radius]])

    def turned(box):
        box = box[:, [1, 0, 3, 2]] if view & 4 else box.copy()
        for bit, ends in ((1, [0, 2]), (2, [1, 3])):
            if view & bit:
                box[:, ends] = SIDE - box[:, ends[::-1]]
        return box

    found = complete(turned(np.clip(circle, 0, SIDE)), FULL)
    np.testing.assert_allclose(found, turned(circle), atol=1e-9)


def test_boxes_away_from_the_edge_and_boxes_from_edge_to_edge_stay():
    boxes = np.array([[2.0, 2, 40, 10], [0, 20, SIDE, 30], [-1, 5, SIDE + 1, 9]])
    np.testing.assert_array_equal(complete(boxes, FULL), boxes)


def test_a_completed_box_keeps_its_centre_in_the_image():
    # Far longer than wide: no circle with its centre in the image looks like it.
    (box,) = complete(np.array([[0.0, 10, 4, 50]]), FULL)
    assert box.tolist() == [-4, 10, 4, 50]


def test_a_completed_box_keeps_its_centre_out_of_the_padding():
    # The slice begins at pixel 5: a centre that the completion would move to pixel 3 stays at the slice's edge.
    padded = canvas((1, SIDE - 10, SIDE - 10), 1.0)
    (box,) = complete(np.array([[0.0, 20, 13, 40]]), padded)
    assert box.tolist() == [-3, 20, 13, 40]


def test_exact_turns_nested_predictions_to_float32():
    nested = {"boxes": torch.ones(2, dtype=torch.bfloat16), "feats": [torch.ones(1, dtype=torch.float16)]}
    assert exact(nested)["boxes"].dtype == exact(nested)["feats"][0].dtype == torch.float32


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = build_network("yolo11n", 2)
    for score in model.model[-1].cv3:
        torch.nn.init.normal_(score[-1].weight, std=0.3)
        torch.nn.init.zeros_(score[-1].bias)
    return model


def predictor(network, **options):
    chosen = replace(YoloSettings(), confidence=0.4, precision="fp32", **options)
    return YoloPredictor(deepcopy(network), np.array([1, 2], np.int16), chosen, torch.device("cpu"))


def tomogram(shape=(5, 40, 60)):
    return Tomogram("TS", np.random.default_rng(3).normal(0, 2, shape).astype(np.float32), 10.0)


def test_decoded_boxes_are_ultralytics_own(network):
    pixels = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        theirs = deepcopy(network).eval().fuse(verbose=False)(pixels)[0]
        ours = predictor(network)._predict(pixels)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_boxes_lie_in_the_slice_and_name_their_slices(network):
    boxes = predictor(network, thickness=2, predict_step=2).predict(tomogram())
    assert len(boxes.label) > 0
    assert set(np.unique(boxes.slice_index)) <= {0.5, 2.5}  # every second of four slabs
    assert set(np.unique(boxes.label)) <= {1, 2}
    column, row = boxes.xyxy[:, [0, 2]].mean(axis=1), boxes.xyxy[:, [1, 3]].mean(axis=1)
    assert ((column >= -0.5) & (column <= 59.5) & (row >= -0.5) & (row <= 39.5)).all()


def test_all_views_of_a_mirrored_tomogram_give_the_mirrored_boxes(network):
    # The mean over all eight views does not know left from right. The slice fills its image: no padding interferes.
    original = tomogram((1, 64, 64))
    mirrored = Tomogram("TS", np.ascontiguousarray(original.volume[..., ::-1]), 10.0)
    a, b = (predictor(network, views=8, nms_iou=1.0).predict(t) for t in (original, mirrored))
    assert len(a.label) == len(b.label) > 0
    flipped = b.xyxy[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [63, 0, 63, 0]
    np.testing.assert_allclose(np.sort(a.confidence), np.sort(b.confidence), atol=1e-4)
    np.testing.assert_allclose(np.sort(a.xyxy.sum(axis=1)), np.sort(flipped.sum(axis=1)), atol=0.05)


def test_models_together_give_what_each_gives_from_images_that_are_made_once(network, monkeypatch):
    other = deepcopy(network)
    with torch.no_grad():
        other.model[-1].cv3[0][-1].weight *= 1.2
    models = [predictor(network, views=4), predictor(other, views=4)]
    expected = [model.predict(tomogram()) for model in models]
    made = []
    monkeypatch.setattr("models.yolo.prediction.image", lambda *a, **k: made.append(a[1]) or image(*a, **k))
    found = YoloPredictor.together(models, tomogram())
    assert made == [0, 2, 4]
    assert len(expected[0].label) != len(expected[1].label)
    for one, own in zip(found, expected, strict=True):
        for name in ("xyxy", "confidence", "label", "slice_index"):
            np.testing.assert_array_equal(getattr(one, name), getattr(own, name))


def test_models_that_cut_differently_do_not_go_together(network):
    with pytest.raises(InputError, match=r"yolo: expected all fold models to cut tomograms by .* different settings"):
        YoloPredictor.together([predictor(network), predictor(network, gap=3)], tomogram())


def test_memory_that_is_too_short_for_a_batch_is_enough_for_half_of_it(network, monkeypatch):
    whole = predictor(network)
    expected = whole.predict(tomogram((16, 40, 60)))
    small, seen = predictor(network), []
    own = small._predict

    def predict(pixels):
        seen.append(len(pixels))
        if len(pixels) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return own(pixels)

    monkeypatch.setattr(small, "_predict", predict)
    monkeypatch.setattr(small, "pixels", 8 * 64**2)
    boxes = small.predict(tomogram((16, 40, 60)))
    assert seen[0] == 8 and 4 in seen and max(seen[2 + seen.index(4) :]) <= 2
    rows = [sorted(np.column_stack([b.slice_index, b.label, b.xyxy.round(1)]).tolist()) for b in (boxes, expected)]
    np.testing.assert_allclose(*rows, atol=0.11)  # boxes of equal confidence come in any order
    seen.clear()
    small.predict(tomogram((16, 40, 60)))
    assert max(seen) <= 2  # no batch is tried again that was too large


def test_what_overflows_in_fp16_is_computed_again_in_fp32(network):
    loud = deepcopy(network)
    with torch.no_grad():  # the second convolution overflows, the third brings its output back
        loud.model[1].conv.weight *= 1e3
        loud.model[1].bn.running_var.fill_(1.0)
        loud.model[1].bn.weight *= 1e4
        loud.model[2].cv1.conv.weight /= 1e6
    pixels = torch.rand(1, 3, 64, 64)
    exactly, half = predictor(loud), predictor(loud)
    half.dtype = torch.float16
    with torch.inference_mode():
        with torch.autocast("cpu", dtype=torch.float16):
            assert not all_finite(half.network(pixels))
        np.testing.assert_array_equal(half._predict(pixels), exactly._predict(pixels))
