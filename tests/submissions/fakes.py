"""Members without networks: they know the truth and blur it, each model in its own way.

What they "learn" is a JSON file called weights.safetensors: where the truth lies, and how well they see it.
"""

import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from models.member import Space
from models.outputs import ClassMaps, SliceBoxes
from tomograms.coordinates import to_index
from tomograms.errors import InputError
from tomograms.files import write_json
from tomograms.particles import by_name, from_records
from tomograms.picks import read_truth

STRIDE = 2
ORIGIN = 0.5


@dataclass
class Knowledge:
    truth: pd.DataFrame
    particles: tuple
    seed: int
    sight: float

    def rows(self, tomogram):
        """Return (row, strength, index) of what this model sees: most of the truth and some that is not there."""
        own = self.truth[self.truth["experiment"] == tomogram.name].reset_index(drop=True)
        generator = np.random.default_rng([self.seed, len(own)])
        species = by_name(self.particles)
        for row in own.itertuples():
            strength = self.sight * generator.uniform(0.5, 1.0)
            place = to_index([[row.x, row.y, row.z]], tomogram.voxel_size)[0] + generator.normal(0, 0.3, 3)
            yield species[row.particle_type], strength, place
        shape = np.asarray(tomogram.volume.shape)
        for particle in self.particles:
            yield particle, 0.4 * generator.uniform(), generator.uniform(0, 1, 3) * (shape - 1)


@dataclass(frozen=True)
class NoSettings:
    pass


class FakeMember:
    presets = dict.fromkeys(("demo", "short", "full"), NoSettings())

    def space(self, settings, shapes):
        return Space(1e6, 1e6)

    def fit(self, training, advance):
        names = {tomogram.name for tomogram in training.tomograms}
        assert training.validation is None and set(training.picks["experiment"]) == names
        folder, particles = training.directory, training.particles
        truth_file = folder.parents[1] / "everything.csv"
        write_fake_weights(folder, truth_file=truth_file, particles=particles, member=self.name, seed=len(names))
        advance(1, 1, "learnt")

    def load(self, directory, device):
        path = directory / "weights.safetensors"
        try:
            record = json.loads(path.read_text())
        except ValueError:
            raise InputError(f"{path}: expected complete weights, but got something else") from None
        known = Knowledge(
            read_truth(Path(record["truth"])), from_records(record["particles"]), record["seed"], record["sight"]
        )
        return self.predictor(known)


class MapsPredictor:
    calls = 0
    work = 0

    def __init__(self, known):
        self.known = known
        self.views = 4

    def predict(self, tomogram, *, views=None):
        MapsPredictor.calls += 1
        MapsPredictor.work += views or self.views
        shape = [n // STRIDE for n in tomogram.volume.shape]
        logits = np.full((1 + len(self.known.particles), *shape), -8.0)
        grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
        logits[0] = 3.0
        for particle, strength, place in self.known.rows(tomogram):
            distance = np.linalg.norm(grid * STRIDE + ORIGIN - place, axis=-1) * tomogram.voxel_size
            ball = distance <= 0.5 * particle.radius
            logits[particle.label][ball] = np.maximum(logits[particle.label][ball], 8 * strength)
        return ClassMaps(logits.astype(np.float16), STRIDE, (ORIGIN,) * 3)


class BoxesPredictor:
    calls = 0

    def __init__(self, known):
        self.known = known
        self.views = 1

    def predict(self, tomogram, *, views=None):
        BoxesPredictor.calls += 1
        if os.environ.get("KILL_ME_ON") == tomogram.name:
            os.kill(os.getpid(), signal.SIGKILL)
        if "KILL_ONCE" in os.environ:
            with suppress(FileExistsError):  # of two processes one makes the file, and only that one is killed
                Path(os.environ["KILL_ONCE"]).touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        boxes = []
        depth = tomogram.volume.shape[0]
        for particle, strength, (z, y, x) in self.known.rows(tomogram):
            radius = particle.radius / tomogram.voxel_size
            for k in range(max(0, int(np.ceil(z - radius))), min(depth - 1, int(z + radius)) + 1):
                half = np.sqrt(max(radius**2 - (k - z) ** 2, 1.0))
                boxes.append((k, x - half, y - half, x + half, y + half, strength, particle.label))
        table = np.array(boxes, np.float64).reshape(-1, 7)
        return SliceBoxes(
            axis=0,
            slice_index=table[:, 0].astype(np.float32),
            thickness=1,
            step=1,
            xyxy=table[:, 1:5].astype(np.float32),
            confidence=table[:, 5].astype(np.float32),
            label=table[:, 6].astype(np.int16),
        )


class MapsMember(FakeMember):
    name = "maps"
    predictor = MapsPredictor


class BoxesMember(FakeMember):
    name = "boxes"
    predictor = BoxesPredictor


FAKES = {"maps": f"{__name__}:MapsMember", "boxes": f"{__name__}:BoxesMember"}
SIGHT = {"maps": 1.0, "boxes": 0.9}


def write_fake_weights(job, *, truth_file, particles, member, seed):
    write_json(
        job / "weights.safetensors",
        {
            "truth": str(truth_file),
            "particles": [
                {"name": p.name, "label": p.label, "radius": p.radius, "weight": p.weight} for p in particles
            ],
            "seed": seed,
            "sight": SIGHT[member],
        },
    )
