"""Slices straight through the network and its non-maximum suppression: no image files, no Ultralytics predictor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import batched_nms

from compute.faults import within_memory
from compute.precision import compute_dtype, finite
from models.outputs import SliceBoxes, same_cut
from models.yolo.network import decode, exact
from models.yolo.settings import YoloSettings
from models.yolo.slices import Canvas, canvas, chosen_slabs, image, middle, slabs
from tomograms.tomogram import Tomogram

STRIDES = (8, 16, 32)  # pixels between the anchors of YOLO11's three levels
BATCH_PIXELS = 2_000_000  # images of one batch, together; fewer once memory was too short
Found = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]
"""Of boxes: slab, corners in pixels ``(n, 4)``, confidence, class."""
EDGE = 1.0  # pixels: a box that ends as near to the image's edge is cut off there


class YoloPredictor:
    """A trained YOLO network.

    Parameters
    ----------
    network
        Ultralytics' `DetectionModel` with its trained weights.
    labels
        `Particle.label` of each of its classes.
    """

    def __init__(
        self, network: torch.nn.Module, labels: NDArray[np.int16], settings: YoloSettings, device: torch.device
    ):
        self.settings = settings
        self.views = settings.views
        self.pixels = BATCH_PIXELS
        self.labels = labels
        self.device = device
        self.dtype = compute_dtype(device, settings.precision)
        fused: Any = cast(Any, network).float().eval().fuse(verbose=False)
        self.network = fused.to(device, memory_format=torch.channels_last)
        self.head = self.network.model[-1]
        self.head.training = True  # it then returns what it computed, and the boxes are decoded here

    def predict(self, tomogram: Tomogram, *, views: int | None = None) -> SliceBoxes:
        """Return the boxes of every ``predict_step``-th slice along z, in tomogram voxels."""
        return self.together([self], tomogram, views=views)[0]

    @staticmethod
    def together(
        models: Sequence[YoloPredictor],
        tomogram: Tomogram,
        *,
        views: int | None = None,
        advance: Callable[[str], None] = lambda note: None,
    ) -> list[SliceBoxes]:
        """Return the boxes of each model, of images that are made once for all; see `models.member.Joint`.

        Raises
        ------
        InputError
            If they cut tomograms differently.
        """
        first = models[0]
        settings = first.settings
        same_cut("yolo", [(s.thickness, s.gap, s.zoom, s.predict_step) for s in (model.settings for model in models)])
        frame = canvas(tomogram.volume.shape, settings.zoom)
        levels = slabs(tomogram.volume, settings.thickness)
        chosen = chosen_slabs(len(levels), settings.predict_step)
        most = first.pixels // frame.side**2
        count = views or first.views

        def attempt(batch: int) -> list[list[Found]]:
            parts = []
            for i in range(0, len(chosen), batch):
                some = chosen[i : i + batch]
                turned = first._turned(levels, some, frame, count)
                parts.append([model._boxes(turned, some) for model in models])
                advance(f"slice {i + len(some)} of {len(chosen)}")
            return parts

        parts, batch = within_memory(attempt, max(1, most), lambda batch: batch // 2 or None)
        first.pixels = first.pixels if batch >= most else batch * frame.side**2
        return [model._whole(own, frame) for model, own in zip(models, zip(*parts, strict=True), strict=True)]

    def _whole(self, parts: Sequence[Found], frame: Canvas) -> SliceBoxes:
        """Return the boxes of all slices in tomogram voxels, without those in the padding."""
        index, xyxy, confidence, label = (np.concatenate(column) for column in zip(*parts, strict=True))
        first, last = frame.edges
        centre = (xyxy[:, :2].astype(np.float64) + xyxy[:, 2:]) / 2
        inside = ((centre >= first) & (centre <= last)).all(axis=1)
        index, xyxy, confidence, label = index[inside], xyxy[inside], confidence[inside], label[inside]
        corners = frame.to_index(complete(xyxy.astype(np.float64), frame).reshape(-1, 2)).reshape(-1, 4)
        return SliceBoxes(
            axis=0,
            slice_index=middle(index, self.settings.thickness),
            thickness=self.settings.thickness,
            step=self.settings.predict_step,
            xyxy=corners.astype(np.float32),
            confidence=confidence.astype(np.float32),
            label=self.labels[label],
        )

    def _turned(
        self, levels: NDArray[np.uint8], chosen: NDArray[np.int64], frame: Canvas, views: int
    ) -> list[torch.Tensor]:  # each (image, 3, side, side)
        """Return the views of the images of some slices."""
        pictures = np.stack([image(levels, int(i), gap=self.settings.gap, canvas=frame) for i in chosen])
        pixels = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2).float() / 255
        return [turn(pixels, view).contiguous(memory_format=torch.channels_last) for view in range(views)]

    def _boxes(self, turned: Sequence[torch.Tensor], chosen: NDArray[np.int64]) -> Found:
        """Return what is found in the views of some slices, from the mean of the predictions, anchor by anchor."""
        side = turned[0].shape[-1]
        with torch.inference_mode():
            found = [undo(self._predict(pixels), view, side) for view, pixels in enumerate(turned)]
            mean = torch.stack(found).mean(dim=0)  # (image, 4 + class, anchor): each view maps the grids on themselves
        which, xyxy, confidence, label = suppress(
            mean, confidence=self.settings.confidence, iou=self.settings.nms_iou, most=self.settings.max_boxes
        )
        return chosen[which.cpu().numpy()], xyxy.cpu().numpy(), confidence.cpu().numpy(), label.cpu().numpy()

    def _predict(self, pixels: torch.Tensor) -> torch.Tensor:  # (image, 3, side, side) -> (image, 4 + class, anchor)
        def compute() -> torch.Tensor:
            raw = self.network(pixels)
            with torch.autocast(self.device.type, enabled=False):
                return decode(self.head, exact(raw))

        return finite(compute, self.device, self.dtype)


def complete(xyxy: NDArray[np.float64], frame: Canvas) -> NDArray[np.float64]:  # (n, 4) pixels -> the same
    """Return boxes, their centres in the slice, with what the edge of its image cut off.

    Particles are labelled as circles and labels end at the image's edge, so the middle of a box that is cut there lies
    too far inside. Along the edge it is still as long as the circle is wide. A centre never leaves the slice.
    """
    low, high = xyxy[:, :2], xyxy[:, 2:]
    first, last = frame.edges
    length = (high - low).max(axis=1, keepdims=True)
    cut_low, cut_high = low <= EDGE, high >= frame.side - EDGE
    lower = np.maximum(np.minimum(low, high - length), 2 * first - high)
    upper = np.minimum(np.maximum(high, low + length), 2 * last - low)
    return np.concatenate([np.where(cut_low & ~cut_high, lower, low), np.where(cut_high & ~cut_low, upper, high)], 1)


def turn(pixels: torch.Tensor, view: int) -> torch.Tensor:  # (..., side, side)
    """Return view 0 to 7 of an image: bit 0 mirrors columns, bit 1 rows, bit 2 then transposes."""
    axes = [axis for axis, bit in ((-1, 1), (-2, 2)) if view & bit]
    pixels = torch.flip(pixels, axes) if axes else pixels
    return pixels.transpose(-1, -2) if view & 4 else pixels


def undo(found: torch.Tensor, view: int, side: int) -> torch.Tensor:  # (image, 4 + class, anchor)
    """Return predictions on a view as predictions on the image itself, anchors in the image's own order."""
    if view == 0:
        return found
    levels = []
    start = 0
    for stride in STRIDES:
        n = side // stride
        grid = found[..., start : start + n * n].unflatten(-1, (n, n))
        grid = grid.transpose(-1, -2) if view & 4 else grid
        axes = [axis for axis, bit in ((-1, 1), (-2, 2)) if view & bit]
        levels.append((torch.flip(grid, axes) if axes else grid).flatten(-2))
        start += n * n
    out = torch.cat(levels, dim=-1)
    x, y, width, height = (out[:, i] for i in ((1, 0, 3, 2) if view & 4 else (0, 1, 2, 3)))
    x = side - x if view & 1 else x
    y = side - y if view & 2 else y
    return torch.cat([torch.stack([x, y, width, height], dim=1), out[:, 4:]], dim=1)


def suppress(
    found: torch.Tensor,  # (image, 4 + class, anchor): centre x, y, width, height, then class scores
    *,
    confidence: float,
    iou: float,
    most: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the boxes that survive class-wise non-maximum suppression, the best ``most`` of each image.

    Species never suppress each other, and one anchor may give boxes of several.

    Returns
    -------
    image, xyxy, confidence, label
        ``(n,)``, ``(n, 4)``, ``(n,)`` and ``(n,)``, image by image, best first.
    """
    classes = found.shape[1] - 4
    which, label, anchor = torch.nonzero(found[:, 4:] > confidence, as_tuple=True)
    score = found[which, 4 + label, anchor]
    x, y, width, height = found[which, :4, anchor].unbind(1)
    xyxy = torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], dim=1)
    keep = batched_nms(xyxy, score, which * classes + label, iou)  # best first
    keep = keep[torch.argsort(which[keep], stable=True)]
    which = which[keep]
    rank = torch.arange(len(which), device=which.device) - torch.searchsorted(which, which)
    keep, which = keep[rank < most], which[rank < most]
    return which, xyxy[keep], score[keep], label[keep]
