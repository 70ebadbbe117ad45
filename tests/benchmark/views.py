"""Stage ``views``: what a further view of test-time augmentation costs, and the memory that views take."""

from __future__ import annotations

import copy

from tests.benchmark.measure import interleave, memory_of
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import FULL_SHAPE, Scale
from tests.benchmark.scenes import tomogram, unet

FURTHER = 0.9
MEMORY = 4.0


def run(scale: Scale) -> list[Row]:
    """Return the row; the memory is that of the preset's network and windows on the competition's volume."""
    shape = scale.pick((184, 256, 448), (24, 32, 56))
    count = scale.pick(8, 2)
    image, _ = tomogram(shape)
    one, many = copy.copy(unet(scale)), copy.copy(unet(scale))
    one.views, many.views = 1, count
    times, _ = interleave(
        {"one": lambda: one.predict(image), "many": lambda: many.predict(image)}, repeats=scale.pick(3, 2), most=240
    )
    further = (times["many"].wall - times["one"].wall) / (count - 1) / times["one"].wall
    floors = [Limit("a further view, in first ones", further, FURTHER)]
    notes = {"a further view in first ones, CPU time": (times["many"].cpu / times["one"].cpu - 1) / (count - 1)}
    if scale.full:
        used = memory_of("inference", shape=FULL_SHAPE, views=2)
        floors.append(Limit("memory above the weights, GiB", used["peak"] - used["base"], MEMORY))
        notes["peak memory, GiB"] = used["peak"]
    size = "x".join(map(str, shape))
    return [Row("views", f"{size}, {count} views", times["many"], floors=tuple(floors), notes=notes)]
