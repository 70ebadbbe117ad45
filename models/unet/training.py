"""Training of the U-Net on crops, for a fold or for weights to start from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from monai.losses import TverskyLoss
from torch.nn import functional

from compute.devices import resolve_device
from compute.host_memory import keep_freed_memory
from compute.precision import compute_dtype, finite
from models.member import Advance, Training
from models.training.crops import TrainingVolume, draw_batch, some_places, species_shares
from models.training.curves import write_history
from models.training.network_state import NetworkState
from models.training.targets import IGNORED, ball_targets, ignore_outside, mirrored_picks
from models.training.transfer import initial_weights, start_from
from models.unet.network import ORIGIN, build_network, class_axes, is_encoder
from models.unet.prediction import UNetPredictor
from models.unet.settings import IDENTITY, STRIDE, UNetSettings
from models.weights import header
from tomograms.coordinates import to_index
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

CLIP = 5.0
"""Norm at which gradients are cut. Ten times what healthy steps have: it only catches a step that would undo many."""
SURE = 50.0
"""A logit beside which the others vanish."""
VOXELS_AT_ONCE = 4 * 96 * 128 * 128
"""Of crops that pass the network together on a GPU. Four crops of the preset ``full`` took 19 ms forward and back, and
eight 141 ms, 116 of them in one gradient of a kernel for which cuDNN has nothing quick at that size (H200, cuDNN 9.19,
bf16 and fp16)."""
Batch = tuple[torch.Tensor, torch.Tensor]
"""Crops and their targets; see `models.training.crops.draw_batch`."""


def train_unet(training: Training, advance: Advance) -> None:
    """Train and write weights, history and curves; see `models.member.Member.fit`."""
    settings: UNetSettings = training.settings
    directory, particles, validation = training.directory, training.particles, training.validation
    learner = UNetLearner(settings, particles, training.seed, training.device)
    volumes = [learner.prepare(tomogram, training.of(tomogram)) for tomogram in training.tomograms]
    truth = None if validation is None else learner.target_map(validation.tomogram, validation.picks)
    checkpoint = directory / "checkpoint.pt"
    history: list[dict[str, float]] = learner.restore(checkpoint)["history"] if checkpoint.exists() else []
    losses: list[float] = []
    for step, batch in _prefetch(learner, volumes, training.seed):
        losses.append(learner.learn(batch, done=(step + 1) / settings.steps))
        advance(step + 1, settings.steps, f"loss {losses[-1]:.3f}")
        if (step + 1) % settings.epoch_steps == 0 or step + 1 == settings.steps:
            row: dict[str, float] = {"step": step + 1, "loss": float(np.mean(losses))}
            if validation is not None and truth is not None:
                row |= learner.dice(validation.tomogram, truth)
            history.append(row)
            losses = []
            learner.save(checkpoint, {"history": history})
    write_history(directory, history, loss=["loss"], metric=["dice", *(f"dice {p.name}" for p in particles)])
    learner.save_average(directory / "weights.safetensors", header("unet", settings, particles))
    checkpoint.unlink(missing_ok=True)


def _prefetch(learner: UNetLearner, volumes: Sequence[TrainingVolume], seed: int) -> Iterator[tuple[int, Batch]]:
    """Yield each step that is left and its batch; the next one is drawn while the network works."""

    def draw(step: int) -> Batch:
        crops, targets = learner.draw(volumes, np.random.default_rng([seed, step]))
        return (crops.pin_memory(), targets.pin_memory()) if learner.device.type == "cuda" else (crops, targets)

    first, steps = learner.step, learner.settings.steps
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(draw, first)
        for step in range(first, steps):
            batch = pending.result()
            if step + 1 < steps:
                pending = pool.submit(draw, step + 1)
            yield step, batch


class UNetLearner(NetworkState):
    """A U-Net in training; also a `models.member.Learner`, whose validation score is the mean Dice of the species."""

    renew = 10

    def __init__(self, settings: UNetSettings, particles: Sequence[Particle], seed: int, device: str) -> None:
        where = resolve_device(device)
        initial = initial_weights("unet", settings, IDENTITY)
        self.settings, self.particles, self.classes = settings, particles, 1 + len(particles)
        self.shares = species_shares(particles)
        if where.type == "cpu":
            keep_freed_memory()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_network(settings, self.classes)
        if initial is not None:
            start_from(initial, network, particles, class_axes=class_axes, background=True)
        network.to(where)
        named = list(network.named_parameters())
        groups = [[value for name, value in named if is_encoder(name) is encoder] for encoder in (True, False)]
        encoder_peak, peak = settings.learning_rate, settings.learning_rate
        if initial is not None:
            encoder_peak, peak = settings.fine_rate * settings.encoder_share, settings.fine_rate
        super().__init__(
            network,
            build_network(settings, self.classes).to(where),
            torch.optim.AdamW([{"params": group} for group in groups], weight_decay=settings.weight_decay, fused=True),
            peaks=(encoder_peak, peak),
            warmup=settings.warmup,
            decay=settings.ema,
            clip=CLIP,
            dtype=compute_dtype(where, settings.precision),
        )
        self.tversky = TverskyLoss(
            include_background=False,
            to_onehot_y=True,
            softmax=True,
            alpha=settings.tversky_alpha,
            beta=settings.tversky_beta,
            batch=True,
        )
        together = where.type == "cpu" or settings.norm == "BATCH"  # which sees all crops of a batch
        self.at_once = settings.batch if together else max(1, VOXELS_AT_ONCE // math.prod(settings.crop))
        self.class_weight = torch.full((self.classes,), settings.positive_weight, device=where)
        self.class_weight[0] = 1.0

    def prepare(self, tomogram: Tomogram, picks: pd.DataFrame) -> TrainingVolume:
        """Return a training volume, grown by mirroring where it is smaller than a crop, its labels with it."""
        shape = tomogram.volume.shape
        grown = [max(size, n) + (-max(size, n)) % STRIDE for size, n in zip(self.settings.crop, shape, strict=True)]
        extra = [(0, new - old) for new, old in zip(grown, shape, strict=True)]

        def grow(values: np.ndarray) -> np.ndarray:  # only where it must be: a copy of all volumes is gigabytes
            return values if grown == list(shape) else np.pad(values, extra, mode="symmetric")

        volume = grow(tomogram.volume)
        labels = {particle.name: particle.label for particle in self.particles}
        mask = None if tomogram.mask is None else grow(tomogram.mask)
        padded = Tomogram(tomogram.name, volume, tomogram.voxel_size, mask)
        return TrainingVolume(
            volume,
            self.target_map(padded, mirrored_picks(picks, shape, grown, tomogram.voxel_size)),
            to_index(picks[["x", "y", "z"]].to_numpy(), tomogram.voxel_size),
            np.array([labels[name] for name in picks["particle_type"]], np.int64),
            None if mask is None else some_places(mask),
        )

    def target_map(self, tomogram: Tomogram, picks: pd.DataFrame) -> np.ndarray:
        """Return the label of every voxel of the network's output for a tomogram, ``(z, y, x)`` uint8."""
        z, y, x = (-(-n // STRIDE) for n in tomogram.volume.shape)
        labels = ball_targets(
            picks,
            (z, y, x),
            tomogram.voxel_size,
            particles=self.particles,
            radius_fraction=self.settings.radius_fraction,
            stride=STRIDE,
            origin=ORIGIN,
        )
        if tomogram.mask is not None:
            ignore_outside(labels, tomogram.mask, stride=STRIDE, origin=ORIGIN)
        return labels

    def draw(self, volumes: Sequence[TrainingVolume], rng: np.random.Generator) -> Batch:
        """Return a batch of crops and their targets, as the settings want them."""
        crops, targets = draw_batch(
            volumes,
            size=self.settings.crop,
            batch=self.settings.batch,
            stride=STRIDE,
            around_picks=self.settings.around_picks,
            shares=self.shares,
            rng=rng,
        )
        return torch.from_numpy(crops), torch.from_numpy(targets)

    def train_step(self, pool: Sequence[TrainingVolume], *, rng: np.random.Generator, done: float) -> float:
        """See `models.member.Learner.train_step`."""
        return self.learn(self.draw(pool, rng), done=done)

    def learn(self, batch: Batch, *, done: float) -> float:
        """Take one optimiser step, after which a share ``done`` of the training is done; return the loss."""
        self.network.train()
        crops = batch[0].to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last_3d)
        masked = bool((batch[1] == IGNORED).any())  # looked at here, where no GPU has to be waited for
        targets = batch[1].to(self.device, non_blocking=True).long()
        logits = finite(lambda: self.logits(crops), self.device, self.dtype).float()
        loss = self.loss(*(without_ignored(logits, targets) if masked else (logits, targets)))
        self.descend(loss, done=done)
        return float(loss.detach())

    def logits(self, crops: torch.Tensor) -> torch.Tensor:  # (batch, 1, z, y, x)
        """Return the network's logits; on a GPU a few crops pass it at a time."""
        parts = [self.network(part) for part in crops.split(self.at_once)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def loss(
        self,
        logits: torch.Tensor,  # (batch, class, z, y, x)
        targets: torch.Tensor,  # (batch, z, y, x) int64
    ) -> torch.Tensor:
        """Return the Tversky loss and the cross-entropy, in the settings' shares."""
        share = self.settings.tversky_share
        entropy = functional.cross_entropy(logits, targets, self.class_weight)
        return share * self.tversky(logits, targets[:, None]) + (1 - share) * entropy

    def dice(self, tomogram: Tomogram, truth: np.ndarray) -> dict[str, float]:
        """Return the Dice of the average's argmax on a tomogram in one view, per species and their mean."""
        predictor = UNetPredictor(self.average, replace(self.settings, views=1), self.classes, self.device)
        found = predictor.predict(tomogram).logits.argmax(0)
        found[truth == IGNORED] = 0
        dice = {}
        for particle in self.particles:
            a, b = found == particle.label, truth == particle.label
            size = int(a.sum()) + int(b.sum())
            dice[f"dice {particle.name}"] = 2 * int((a & b).sum()) / size if size else math.nan
        present = [value for value in dice.values() if not math.isnan(value)]
        return {"dice": float(np.mean(present)) if present else math.nan, **dice}

    def score(self, tomograms: Sequence[Tomogram], picks: pd.DataFrame) -> dict[str, float]:
        """See `models.member.Learner.score`."""
        rows = [self.dice(t, self.target_map(t, picks[picks["experiment"] == t.name])) for t in tomograms]
        mean = {str(name): float(value) for name, value in pd.DataFrame(rows).mean().items() if value == value}
        return {"score": mean.pop("dice", 0.0), **mean}

    def write(self, path: Path) -> None:
        """See `models.member.Learner.write`."""
        self.save_average(path, header("unet", self.settings, self.particles), half=True)


def without_ignored(
    logits: torch.Tensor,  # (batch, class, z, y, x)
    targets: torch.Tensor,  # (batch, z, y, x) int64
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and targets in which ignored voxels are background that is found for sure: without loss, or slope.

    Their share in the mean of the cross-entropy stays, as that of any other background.
    """
    ignored = targets == IGNORED
    sure = torch.zeros_like(logits)
    sure[:, 0] = SURE
    return torch.where(ignored[:, None], sure, logits), targets.masked_fill(ignored, 0)
