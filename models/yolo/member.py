"""The ``yolo`` member: Ultralytics YOLO11 on 2D slices."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from compute.devices import resolve_device
from models.member import Advance, Learner, Space, Training
from models.weights import fill, load_weights, parse_card
from models.yolo.network import build_network, find_weights
from models.yolo.prediction import YoloPredictor
from models.yolo.settings import YoloSettings, check_settings, presets
from models.yolo.slices import canvas
from tomograms.particles import Particle

PARAMETERS = {"yolo11n": 2.6e6, "yolo11s": 9.5e6, "yolo11m": 20.1e6, "yolo11l": 25.4e6, "yolo11x": 57.0e6}
"""Of the networks, by Ultralytics' table."""


class YoloMember:
    """See `models.member.Member`."""

    name = "yolo"

    @property
    def presets(self) -> Mapping[str, YoloSettings]:
        """See `models.member.Member`; ``full`` depends on what lies in the working folder."""
        return presets()

    def check(self, settings: YoloSettings) -> None:
        """See `models.member.Member.check`."""
        check_settings(settings)

    def initial(self, settings: YoloSettings) -> Path | None:
        """See `models.member.Member.initial`."""
        return find_weights(settings)

    def space(self, settings: YoloSettings, shapes: Sequence[tuple[int, int, int]]) -> Space:
        """See `models.member.Member.space`: weights, and the slices as PNG, which hardly get smaller by it."""
        side = max(canvas(shape, settings.zoom).side for shape in shapes)
        images = sum(-(-shape[0] // settings.step) for shape in shapes) * 3 * side**2
        weights = 4 * PARAMETERS[settings.network]
        return Space(weights + images * settings.keep_images, images * (not settings.keep_images))

    def fit(self, training: Training, advance: Advance) -> None:
        """See `models.member.Member.fit`; a training that was cut off starts over."""
        from models.yolo.training import train_yolo  # prediction does without what only training needs

        train_yolo(training, advance)

    def learner(self, *, particles: Sequence[Particle], settings: YoloSettings, seed: int, device: str) -> Learner:
        """See `models.member.Member.learner`."""
        from models.yolo.pretraining import YoloLearner

        return YoloLearner(settings, particles, seed, device)

    def load(self, directory: Path, device: str) -> YoloPredictor:
        """See `models.member.Member.load`."""
        where = resolve_device(device)
        path = directory / "weights.safetensors"
        state, card = load_weights(path)
        values, particles = parse_card(card, self.name, path)
        settings = YoloSettings(**values)
        network = build_network(settings.network, len(particles))
        fill(network, state, path)
        labels = np.array(sorted(particle.label for particle in particles), np.int16)
        return YoloPredictor(network, labels, settings, where)
