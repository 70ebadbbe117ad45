"""Training of a network of volumes on crops, for a fold or for weights to start from."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from compute.devices import resolve_device
from compute.host_memory import keep_freed_memory
from compute.precision import compute_dtype, finite
from models.architecture import Architecture
from models.member import Advance, Training
from models.outputs import Maps
from models.training.crops import TrainingVolume, draw_batch, some_places, species_shares
from models.training.curves import write_history
from models.training.network_state import NetworkState
from models.training.targets import IGNORED, ball_offsets, ball_targets, ignore_outside, mirrored_picks
from models.training.transfer import initial_weights, start_from
from models.weights import header
from models.window_predictor import WindowPredictor
from tomograms.coordinates import to_index
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

CLIP = 5.0
"""Norm at which gradients are cut. Ten times what healthy steps have: it only catches a step that would undo many."""
SURE = 50.0
"""A logit beside which the others vanish."""
Batch = tuple[torch.Tensor, ...]
"""Crops, their labels, and, where the network predicts some, their offsets; see `models.training.crops.draw_batch`."""


def train_on_crops(learner: CropLearner, training: Training, advance: Advance) -> None:
    """Train and write weights, history and curves; see `models.member.Member.fit`."""
    settings, directory, validation = learner.settings, training.directory, training.validation
    volumes = [learner.prepare(tomogram, training.of(tomogram)) for tomogram in training.tomograms]
    truth = None if validation is None else learner.target_map(validation.tomogram, validation.picks)
    checkpoint = directory / "checkpoint.pt"
    history: list[dict[str, float]] = learner.restore(checkpoint)["history"] if checkpoint.exists() else []
    losses: list[float] = []
    for step, batch in prefetch(learner, volumes, training.seed):
        losses.append(learner.learn(batch, done=(step + 1) / settings.steps))
        advance(step + 1, settings.steps, f"loss {losses[-1]:.3f}")
        if (step + 1) % settings.epoch_steps == 0 or step + 1 == settings.steps:
            row: dict[str, float] = {"step": step + 1, "loss": float(np.mean(losses))}
            if validation is not None and truth is not None:
                row |= learner.look(validation.tomogram, truth)
            history.append(row)
            losses = []
            learner.save(checkpoint, {"history": history})
    figures = [learner.figure, *(f"{learner.figure} {particle.name}" for particle in training.particles)]
    write_history(directory, history, loss=["loss"], metric=figures)
    card = header(learner.architecture.name, settings, training.particles)
    learner.save_average(directory / "weights.safetensors", card)
    checkpoint.unlink(missing_ok=True)


def prefetch(learner: CropLearner, volumes: Sequence[TrainingVolume], seed: int) -> Iterator[tuple[int, Batch]]:
    """Yield each step that is left and its batch; the next one is drawn while the network works."""

    def draw(step: int) -> Batch:
        batch = learner.draw(volumes, np.random.default_rng([seed, step]))
        return tuple(part.pin_memory() for part in batch) if learner.device.type == "cuda" else batch

    first, steps = learner.step, learner.settings.steps
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(draw, first)
        for step in range(first, steps):
            batch = pending.result()
            if step + 1 < steps:
                pending = pool.submit(draw, step + 1)
            yield step, batch


class CropLearner(NetworkState):
    """A network in training on crops; also a `models.member.Learner`.

    Attributes
    ----------
    figure
        What `measure` measures, in a word.

    Parameters
    ----------
    architecture
        The network's.
    settings
        Of its member.
    particles
        Every species.
    seed
        Of the weights that are not given.
    device
        ``auto``, ``cpu`` or ``cuda[:N]``.
    """

    renew = 10
    figure: str

    def __init__(
        self, architecture: Architecture, settings: Any, particles: Sequence[Particle], seed: int, device: str
    ) -> None:
        where = resolve_device(device)
        initial = initial_weights(architecture.name, settings, architecture.identity)
        self.architecture, self.settings, self.particles = architecture, settings, particles
        self.shares = species_shares(particles)
        if where.type == "cpu":
            keep_freed_memory()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = architecture.build(settings, len(particles))
        if initial is not None:
            start_from(
                initial,
                network,
                particles,
                class_axes=architecture.class_axes,
                background=architecture.background,
            )
        network.to(where)
        named = list(network.named_parameters())
        groups = [[value for name, value in named if architecture.is_encoder(name) is down] for down in (True, False)]
        encoder_peak, peak = settings.learning_rate, settings.learning_rate
        if initial is not None:
            encoder_peak, peak = settings.fine_rate * settings.encoder_share, settings.fine_rate
        super().__init__(
            network,
            architecture.build(settings, len(particles)).to(where),
            torch.optim.AdamW([{"params": group} for group in groups], weight_decay=settings.weight_decay, fused=True),
            peaks=(encoder_peak, peak),
            warmup=settings.warmup,
            decay=settings.ema,
            clip=CLIP,
            dtype=compute_dtype(where, settings.precision),
        )

    @abstractmethod
    def loss(
        self,
        logits: torch.Tensor,  # (batch, channel, z, y, x)
        labels: torch.Tensor,  # (batch, z, y, x) int64
        *offsets: torch.Tensor,  # (batch, 3, z, y, x)
    ) -> torch.Tensor:
        """Return the loss; no label is `IGNORED`."""

    @abstractmethod
    def measure(self, maps: Maps, truth: NDArray[np.uint8]) -> list[float]:
        """Return the figure of each species in maps of a tomogram whose labels are ``truth``; NaN where it has none."""

    def look(self, tomogram: Tomogram, truth: NDArray[np.uint8]) -> dict[str, float]:
        """Return how well the average does on a tomogram: the mean ``figure``, and ``figure SPECIES`` for each one."""
        found = np.array(self.measure(self.maps(tomogram), truth), np.float64)
        mean = math.nan if np.isnan(found).all() else float(np.nanmean(found))
        names = (f"{self.figure} {particle.name}" for particle in self.particles)
        return {self.figure: mean, **dict(zip(names, found.tolist(), strict=True))}

    def prepare(self, tomogram: Tomogram, picks: pd.DataFrame) -> TrainingVolume:
        """Return a training volume, grown by mirroring where it is smaller than a crop, its labels with it."""
        shape, stride = tomogram.volume.shape, self.architecture.stride
        grown = [max(size, n) + (-max(size, n)) % stride for size, n in zip(self.settings.crop, shape, strict=True)]
        extra = [(0, new - old) for new, old in zip(grown, shape, strict=True)]

        def grow(values: np.ndarray) -> np.ndarray:  # only where it must be: a copy of all volumes is gigabytes
            return values if grown == list(shape) else np.pad(values, extra, mode="symmetric")

        volume = grow(tomogram.volume)
        labels = {particle.name: particle.label for particle in self.particles}
        mask = None if tomogram.mask is None else grow(tomogram.mask)
        padded = Tomogram(tomogram.name, volume, tomogram.voxel_size, mask)
        images = mirrored_picks(picks, shape, grown, tomogram.voxel_size)
        return TrainingVolume(
            volume,
            self.target_map(padded, images),
            to_index(picks[["x", "y", "z"]].to_numpy(), tomogram.voxel_size),
            np.array([labels[name] for name in picks["particle_type"]], np.int64),
            None if mask is None else some_places(mask),
            ball_offsets(images, **self._balls(padded)) if self.architecture.vectors else None,
        )

    def target_map(self, tomogram: Tomogram, picks: pd.DataFrame) -> NDArray[np.uint8]:
        """Return the label of every voxel of the network's output for a tomogram, ``(z, y, x)`` uint8."""
        labels = ball_targets(picks, **self._balls(tomogram))
        if tomogram.mask is not None:
            ignore_outside(labels, tomogram.mask, stride=self.architecture.stride, origin=self.architecture.origin)
        return labels

    def _balls(self, tomogram: Tomogram) -> dict[str, Any]:
        """Return the arguments of `ball_targets` but its picks."""
        stride = self.architecture.stride
        return {
            "shape": tuple(-(-n // stride) for n in tomogram.volume.shape),
            "voxel_size": tomogram.voxel_size,
            "particles": self.particles,
            "radius_fraction": self.settings.radius_fraction,
            "stride": stride,
            "origin": self.architecture.origin,
        }

    def draw(self, volumes: Sequence[TrainingVolume], rng: np.random.Generator) -> Batch:
        """Return a batch of crops and their targets, as the settings want them."""
        batch = draw_batch(
            volumes,
            size=self.settings.crop,
            batch=self.settings.batch,
            stride=self.architecture.stride,
            around_picks=self.settings.around_picks,
            shares=self.shares,
            rng=rng,
        )
        return tuple(torch.from_numpy(part) for part in batch if part is not None)

    def train_step(self, pool: Sequence[TrainingVolume], *, rng: np.random.Generator, done: float) -> float:
        """See `models.member.Learner.train_step`."""
        return self.learn(self.draw(pool, rng), done=done)

    def learn(self, batch: Batch, *, done: float) -> float:
        """Take one optimiser step, after which a share ``done`` of the training is done; return the loss."""
        self.network.train()
        crops = batch[0].to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last_3d)
        masked = bool((batch[1] == IGNORED).any())  # looked at here, where no GPU has to be waited for
        labels, *offsets = (part.to(self.device, non_blocking=True) for part in batch[1:])
        logits = finite(lambda: self.network(crops), self.device, self.dtype).float()
        inputs = self.without_ignored(logits, labels.long()) if masked else (logits, labels.long())
        loss = self.loss(*inputs, *offsets)
        self.descend(loss, done=done)
        return float(loss.detach())

    def without_ignored(
        self,
        logits: torch.Tensor,  # (batch, channel, z, y, x)
        labels: torch.Tensor,  # (batch, z, y, x) int64
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both with ignored voxels as background that is found for sure: without loss, or slope.

        Their share in a mean over voxels stays, as that of any other background.
        """
        ignored = labels == IGNORED
        sure = torch.full_like(logits, -SURE)
        if self.architecture.background:
            sure[:, 0] = SURE
        return torch.where(ignored[:, None], sure, logits), labels.masked_fill(ignored, 0)

    def maps(self, tomogram: Tomogram) -> Maps:
        """Return what the average predicts for a tomogram in one view."""
        settings = replace(self.settings, views=1)
        predictor = WindowPredictor(self.architecture, self.average, settings, len(self.particles), self.device)
        return predictor.predict(tomogram)

    def score(self, tomograms: Sequence[Tomogram], picks: pd.DataFrame) -> dict[str, float]:
        """See `models.member.Learner.score`."""
        rows = [self.look(t, self.target_map(t, picks[picks["experiment"] == t.name])) for t in tomograms]
        mean = {str(name): float(value) for name, value in pd.DataFrame(rows).mean().items() if value == value}
        return {"score": mean.pop(self.figure, 0.0), **mean}

    def write(self, path: Path) -> None:
        """See `models.member.Learner.write`."""
        self.save_average(path, header(self.architecture.name, self.settings, self.particles), half=True)
