"""The ``unet`` member: a MONAI 3D U-Net on crops, whole class maps at inference."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from compute.devices import resolve_device
from models.member import Advance, Learner, Space, Training
from models.training.transfer import initial_weights
from models.unet.network import build_network
from models.unet.prediction import UNetPredictor
from models.unet.settings import IDENTITY, PRESETS, UNetSettings, check_settings
from models.weights import fill, load_weights, parse_card
from tomograms.particles import Particle

MANY = 10
"""Classes; the last layer's share of the weights is small, whatever their number."""


class UNetMember:
    """See `models.member.Member`."""

    name = "unet"
    presets: Mapping[str, UNetSettings] = PRESETS

    def check(self, settings: UNetSettings) -> None:
        """See `models.member.Member.check`."""
        check_settings(settings)

    def initial(self, settings: UNetSettings) -> Path | None:
        """See `models.member.Member.initial`."""
        return initial_weights(self.name, settings, IDENTITY)

    def space(self, settings: UNetSettings, shapes: Sequence[tuple[int, int, int]]) -> Space:
        """See `models.member.Member.space`: weights; two checkpoints of network, average and both of Adam's moments."""
        weights = 4 * sum(parameter.numel() for parameter in build_network(settings, MANY).parameters())
        return Space(weights, 2 * 4 * weights)

    def fit(self, training: Training, advance: Advance) -> None:
        """See `models.member.Member.fit`; a training that was cut off goes on from its last checkpoint."""
        from models.unet.training import train_unet  # prediction does without what only training needs

        train_unet(training, advance)

    def learner(self, *, particles: Sequence[Particle], settings: UNetSettings, seed: int, device: str) -> Learner:
        """See `models.member.Member.learner`."""
        from models.unet.training import UNetLearner

        return UNetLearner(settings, particles, seed, device)

    def load(self, directory: Path, device: str) -> UNetPredictor:
        """See `models.member.Member.load`."""
        where = resolve_device(device)
        path = directory / "weights.safetensors"
        state, card = load_weights(path)
        values, particles = parse_card(card, self.name, path)
        settings, classes = UNetSettings(**values), 1 + len(particles)
        network = build_network(settings, classes)
        fill(network, state, path)
        return UNetPredictor(network, settings, classes, where)
