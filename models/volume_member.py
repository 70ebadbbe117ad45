"""What the members that see volumes have in common."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from compute.devices import resolve_device
from models.architecture import Architecture
from models.member import Advance, Learner, Space, Training
from models.training.transfer import initial_weights
from models.weights import fill, load_weights, parse_card
from models.window_predictor import WindowPredictor
from tomograms.particles import Particle

MANY = 10
"""Species; the last layer's share of the weights is small, whatever their number."""


class VolumeMember:
    """See `models.member.Member`.

    Attributes
    ----------
    architecture
        Of its network.
    """

    name: ClassVar[str]
    architecture: ClassVar[Architecture]
    presets: Mapping[str, Any]

    @abstractmethod
    def check(self, settings: Any) -> None:
        """See `models.member.Member.check`."""

    @abstractmethod
    def learner(self, *, particles: Sequence[Particle], settings: Any, seed: int, device: str) -> Learner:
        """See `models.member.Member.learner`."""

    def initial(self, settings: Any) -> Path | None:
        """See `models.member.Member.initial`."""
        return initial_weights(self.name, settings, self.architecture.identity)

    def space(self, settings: Any, shapes: Sequence[tuple[int, int, int]]) -> Space:
        """See `models.member.Member.space`: weights; two checkpoints of network, average and both of Adam's moments."""
        network = self.architecture.build(settings, MANY)
        weights = 4 * sum(parameter.numel() for parameter in network.parameters())
        return Space(weights, 2 * 4 * weights)

    def fit(self, training: Training, advance: Advance) -> None:
        """See `models.member.Member.fit`; a training that was cut off goes on from its last checkpoint."""
        from models.training.crop_learner import train_on_crops  # prediction does without what only training needs

        learner: Any = self.learner(
            particles=training.particles, settings=training.settings, seed=training.seed, device=training.device
        )
        train_on_crops(learner, training, advance)

    def load(self, directory: Path, device: str) -> WindowPredictor:
        """See `models.member.Member.load`."""
        where = resolve_device(device)
        path = directory / "weights.safetensors"
        state, card = load_weights(path)
        values, particles = parse_card(card, self.name, path)
        settings = type(self.presets["full"])(**values)
        network = self.architecture.build(settings, len(particles))
        fill(network, state, path)
        return WindowPredictor(self.architecture, network, settings, len(particles), where)
