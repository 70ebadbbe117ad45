"""Stage ``windows``: our windows, overlap and precision against octopi's defaults (96^3, overlap 0.5, batches of four).

octopi averages four views by default; here both take one, and `views` shows what a further one costs.
"""

from __future__ import annotations

import numpy as np

from models.sliding_window import plan_windows
from tests.benchmark.inference import monai_way, monai_windows, padded, probabilities
from tests.benchmark.measure import interleave
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import FULL_SHAPE, Scale
from tests.benchmark.scenes import tomogram, unet

FASTER = 4.0
WINDOW, OVERLAP, BATCH = 96, 0.5, 4
AGREEMENT = 0.1


def run(scale: Scale) -> list[Row]:
    """Return the row."""
    predictor = unet(scale)
    shape = scale.pick(FULL_SHAPE, (24, 56, 56))
    side = scale.pick(WINDOW, 16)
    image, _ = tomogram(shape)
    settings, multiple = predictor.settings, predictor.network.multiple
    grown = padded(image.volume, multiple)
    times, results = interleave(
        {
            "ours": lambda: predictor.predict(image).logits,
            "octopi": lambda: monai_way(grown, predictor, window=[side] * 3, overlap=OVERLAP, batch=BATCH),
        },
        repeats=scale.pick(3, 1),
        most=60,
    )
    window, corners = plan_windows(grown.shape, settings.window, settings.overlap, multiple)
    ours = len(corners) * int(np.prod(window))
    theirs = len(monai_windows(grown.shape, [side] * 3, OVERLAP)) * side**3
    keep = tuple(slice(0, n) for n in results["ours"].shape)
    difference = np.abs(probabilities(results["ours"]) - probabilities(results["octopi"][keep]))
    return [
        Row(
            "windows",
            f"{'x'.join(map(str, shape))}, one pass: {ours / image.volume.size:.2f} voxels computed per voxel, "
            f"octopi's {theirs / image.volume.size:.2f}",
            times["ours"],
            times["octopi"],
            f"{side}^3, overlap {OVERLAP}, batches of {BATCH}, float32",
            floors=(Limit("times as fast", times["octopi"].wall / times["ours"].wall, FASTER, at_least=True),),
            checks=(Limit("mean |p - p'|", float(difference.mean()), AGREEMENT),),
            notes={"99.9th percentile of |p - p'|": float(np.percentile(difference, 99.9))},
        )
    ]
