"""Stage ``inference``: a whole tomogram through the U-Net, against MONAI's sliding_window_inference, same windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from compute.precision import autocast, compute_dtype
from models.sliding_window import blend_weight, plan_windows
from models.unet.network import STRIDE
from tests.benchmark.measure import interleave
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import FULL_SHAPE, Scale
from tests.benchmark.scenes import tomogram, unet

if TYPE_CHECKING:
    from models.window_predictor import WindowPredictor

FASTER = 1.3
DIFFERENCE = 0.02


def monai_way(
    volume: NDArray[np.float32],  # (z, y, x), sides multiples of the network's
    predictor: WindowPredictor,
    *,
    window: Sequence[int],
    overlap: float,
    batch: int,
    precise: bool = True,
) -> NDArray[np.float32]:  # (class, z/2, y/2, x/2)
    """Return logits as users of MONAI compute them; float32 unless not ``precise``.

    Windows are blended with our weights instead of its Gaussian, which costs the same: what is left of the difference
    between the two results then comes from arithmetic.
    """
    from monai.inferers import sliding_window_inference

    dtype = torch.float32 if precise else compute_dtype(predictor.device, predictor.settings.precision)
    inputs = torch.from_numpy(volume)[None, None].to(predictor.device)
    weight = np.kron(blend_weight([w // STRIDE for w in window]), np.ones((STRIDE,) * 3, np.float32))
    options = {"overlap": overlap, "mode": "gaussian", "roi_weight_map": torch.from_numpy(weight).to(predictor.device)}
    with torch.no_grad(), autocast(predictor.device, dtype):
        logits = sliding_window_inference(inputs, window, batch, predictor.network, **options)
    return logits[0].float().cpu().numpy()


def padded(volume: NDArray[np.float32], multiple: int) -> NDArray[np.float32]:
    """Return the volume grown as our inference grows it, so that both see the same windows."""
    return np.pad(volume, [(0, -n % multiple) for n in volume.shape], mode="symmetric")


def probabilities(logits: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the softmax over the first axis."""
    return torch.from_numpy(np.asarray(logits, np.float32)).softmax(0).numpy()


def monai_windows(shape: Sequence[int], window: Sequence[int], overlap: float) -> set[tuple[int, ...]]:
    """Return the lowest corners of MONAI's windows."""
    from monai.data.utils import dense_patch_slices

    interval = [n if n == w else int(w * (1 - overlap)) for n, w in zip(shape, window, strict=True)]
    return {tuple(s.start for s in place) for place in dense_patch_slices(shape, window, interval)}


def run(scale: Scale) -> list[Row]:
    """Return the row."""
    predictor = unet(scale)
    shape = scale.pick(FULL_SHAPE, (24, 56, 56))
    image, _ = tomogram(shape)
    settings, multiple = predictor.settings, predictor.network.multiple
    grown = padded(image.volume, multiple)
    window, corners = plan_windows(grown.shape, settings.window, settings.overlap, multiple)
    ours = set(corners)
    # MONAI gets the overlap at which it takes the same windows: ours are spread evenly, so they may overlap more.
    gaps = [np.diff(sorted({corner[axis] for corner in ours})).max(initial=0) for axis in range(3)]
    overlap = 1 - max((gap + 0.5) / side for gap, side in zip(gaps, window, strict=True))
    unlike = ours ^ monai_windows(grown.shape, window, overlap)
    options = {"window": window, "overlap": overlap, "batch": 1}
    times, results = interleave(
        {
            "ours": lambda: predictor.predict(image).logits,
            "monai": lambda: monai_way(grown, predictor, **options),
            "monai in our precision": lambda: monai_way(grown, predictor, **options, precise=False),
        },
        repeats=scale.pick(3, 1),
        most=400,
    )
    keep = tuple(slice(0, n) for n in results["ours"].shape)
    difference = np.abs(probabilities(results["ours"]) - probabilities(results["monai"][keep]))
    return [
        Row(
            "inference",
            f"{'x'.join(map(str, shape))}, {len(ours)} windows of {'x'.join(map(str, window))}, one pass",
            times["ours"],
            times["monai"],
            "MONAI sliding_window_inference, float32",
            floors=(Limit("times as fast", times["monai"].wall / times["ours"].wall, FASTER, at_least=True),),
            checks=(
                Limit("windows that differ", len(unlike), 0),
                Limit("99.9th percentile of |p - p'|", float(np.percentile(difference, 99.9)), DIFFERENCE),
            ),
            notes={
                "monai in our precision, s": times["monai in our precision"].wall,
                "times as fast as that": times["monai in our precision"].wall / times["ours"].wall,
                "largest |p - p'|": float(difference.max()),
                "Mvoxel/s": image.volume.size / times["ours"].wall / 1e6,
            },
        )
    ]
