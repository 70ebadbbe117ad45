"""A member that learns without a network: the mean intensity at the picks of each species."""

import os
import signal
from dataclasses import dataclass

import numpy as np

from models.member import Space
from models.outputs import ClassMaps
from models.settings import check_rules
from tomograms.coordinates import to_index
from tomograms.files import read_json, write_json, write_text


@dataclass(frozen=True)
class ToySettings:
    steps: int = 2
    sharpness: float = 4.0
    sizes: tuple[int, ...] = (3,)


class ToyMember:
    name = "toy"
    presets = {"demo": ToySettings(), "short": ToySettings(steps=3), "full": ToySettings(steps=4)}  # noqa: RUF012
    fits: list[str] = []  # noqa: RUF012
    dies_at: str | None = None

    def check(self, settings):
        check_rules("toy", settings, [("steps", settings.steps > 0, "a value above 0")])

    def initial(self, settings):
        return None

    def space(self, settings, shapes):
        return Space(1e6, 1e6)

    def fit(self, training, advance):
        picks, settings, directory = training.picks, training.settings, training.directory
        type(self).fits.append(f"{directory.parent.name}/{directory.name}")
        if os.environ.get("TOY_IS_KILLED_AT") == f"{directory.parent.name}/{directory.name}":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.dies_at == f"{directory.parent.name}/{directory.name}":
            raise KeyboardInterrupt
        levels = {}
        for particle in training.particles:
            values = [
                float(tomogram.volume[tuple(np.rint(index).astype(int))])
                for tomogram in training.tomograms
                for index in to_index(
                    picks[(picks.experiment == tomogram.name) & (picks.particle_type == particle.name)][
                        ["x", "y", "z"]
                    ].to_numpy(),
                    tomogram.voxel_size,
                )
            ]
            levels[str(particle.label)] = float(np.mean(values)) if values else -99.0
        write_json(
            directory / "weights.safetensors",
            {
                "levels": levels,
                "sharpness": settings.sharpness,
                "jitter": np.random.default_rng(training.seed).normal(0, 0.01),
            },
        )
        write_text(directory / "history.csv", "step,loss\n1,0.0\n")
        advance(settings.steps, settings.steps, "learnt")

    def load(self, directory, device):
        return ToyPredictor(read_json(directory / "weights.safetensors"))


class ToyPredictor:
    def __init__(self, known):
        self.known = known

    def predict(self, tomogram, *, views=None):
        levels = self.known["levels"]
        logits = np.empty((1 + len(levels), *tomogram.volume.shape), np.float16)
        logits[0] = -4.0
        for label, level in levels.items():
            logits[int(label)] = -((tomogram.volume - level + self.known["jitter"]) ** 2) * self.known["sharpness"]
        return ClassMaps(logits, 1, (0.0, 0.0, 0.0))


TOY = {"toy": f"{__name__}:ToyMember"}
