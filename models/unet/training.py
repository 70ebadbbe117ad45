"""Training of the U-Net: crops, loss, moving average, checkpoints, and a look at the held-out tomogram."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.losses import TverskyLoss
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from compute.host_memory import keep_freed_memory
from compute.precision import compute_dtype, resolve_device
from models.initial import start_from
from models.member import Advance, Watch
from models.training.checkpoint import Part, load_checkpoint, save_checkpoint
from models.training.crops import TrainingVolume, draw_batch, species_shares
from models.training.curves import write_history
from models.training.schedule import follow, learning_rate
from models.training.targets import ball_targets
from models.unet.member import UNetPredictor, UNetSettings, build_network, initial_weights
from models.unet.network import ORIGIN, STRIDE, class_axes, is_encoder
from models.unet.wide_range import finite
from models.weights import header, save_weights
from tomograms.coordinates import to_index
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram

FEWEST_PLANES = 3
"""Planes of a crop at the deepest level: oneDNN's bf16 weight gradient of a 3D convolution reads uninitialised memory
where the input has exactly two planes (seen with torch 2.12 on CPU: gradients up to 1e33, another value each time)."""


def train_unet(
    train: Sequence[Tomogram],
    picks: pd.DataFrame,
    watch: Watch | None,
    *,
    particles: Sequence[Particle],
    settings: UNetSettings,
    seed: int,
    directory: Path,
    device: str,
    advance: Advance,
) -> None:
    """Train and write weights, history and curves; see `models.member.Member.fit`."""
    where = resolve_device(device)
    trainer = Trainer(settings, particles, seed, where, initial=initial_weights(settings))
    check_crop(settings.crop, trainer.multiple)
    volumes = [prepare(t, picks[picks["experiment"] == t.name], particles, settings) for t in train]
    watched = None
    if watch is not None:
        watched = target_map(watch.tomogram, watch.picks, particles, settings)
    checkpoint = directory / "checkpoint.pt"
    history: list[dict[str, float]] = trainer.restore(checkpoint)["history"] if checkpoint.exists() else []
    losses: list[float] = []
    shares = species_shares(particles)
    for step, (crops, targets) in _prefetch(volumes, settings, shares, seed, trainer.step, where):
        losses.append(trainer.train_step(crops, targets, done=(step + 1) / settings.steps))
        advance(step + 1, settings.steps, f"loss {losses[-1]:.3f}")
        if (step + 1) % settings.epoch_steps == 0 or step + 1 == settings.steps:
            row: dict[str, float] = {"step": step + 1, "loss": float(np.mean(losses))}
            if watch is not None and watched is not None:
                row |= trainer.watch_dice(watch.tomogram, watched, particles)
            history.append(row)
            losses = []
            trainer.save(checkpoint, {"history": history})
    write_history(directory, history, loss=["loss"], metric=["dice", *(f"dice {p.name}" for p in particles)])
    save_weights(directory / "weights.safetensors", trainer.average.state_dict(), header("unet", settings, particles))
    checkpoint.unlink(missing_ok=True)


def check_crop(crop: Sequence[int], multiple: int) -> None:
    """Refuse a crop that does not fit the network.

    Raises
    ------
    InputError
        If a side is no multiple of the network's downsampling, or the deepest level has too few planes.
    """
    if any(side <= 0 or side % multiple for side in crop):
        raise InputError(f"unet.crop: expected multiples of {multiple} (z, y, x), but got {tuple(crop)}")
    if crop[0] < FEWEST_PLANES * multiple:
        raise InputError(f"unet.crop: expected at least {FEWEST_PLANES * multiple} planes in z, but got {crop[0]}")


def prepare(
    tomogram: Tomogram, picks: pd.DataFrame, particles: Sequence[Particle], settings: UNetSettings
) -> TrainingVolume:
    """Return a training volume, grown by mirroring where it is smaller than a crop."""
    grow = [
        max(0, size - n) + (-max(size, n)) % STRIDE
        for size, n in zip(settings.crop, tomogram.volume.shape, strict=True)
    ]
    volume = np.pad(tomogram.volume, [(0, extra) for extra in grow], mode="symmetric")
    padded = Tomogram(tomogram.name, volume, tomogram.voxel_size)
    labels = {particle.name: particle.label for particle in particles}
    return TrainingVolume(
        volume,
        target_map(padded, picks, particles, settings),
        to_index(picks[["x", "y", "z"]].to_numpy(), tomogram.voxel_size),
        np.array([labels[name] for name in picks["particle_type"]], np.int64),
    )


def target_map(
    tomogram: Tomogram, picks: pd.DataFrame, particles: Sequence[Particle], settings: UNetSettings
) -> np.ndarray:
    """Return the label of every voxel of the network's output for a tomogram, ``(z, y, x)`` uint8."""
    z, y, x = (-(-n // STRIDE) for n in tomogram.volume.shape)
    return ball_targets(
        picks,
        (z, y, x),
        tomogram.voxel_size,
        particles=particles,
        radius_fraction=settings.radius_fraction,
        stride=STRIDE,
        origin=ORIGIN,
    )


def draw(
    volumes: Sequence[TrainingVolume],
    settings: UNetSettings,
    shares: NDArray[np.float64],  # (label,)
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch of crops and their targets, as the settings want them; see `draw_batch`."""
    crops, targets = draw_batch(
        volumes,
        size=settings.crop,
        batch=settings.batch,
        stride=STRIDE,
        around_picks=settings.around_picks,
        shares=shares,
        rng=rng,
    )
    return torch.from_numpy(crops), torch.from_numpy(targets)


def _prefetch(
    volumes: Sequence[TrainingVolume],
    settings: UNetSettings,
    shares: NDArray[np.float64],
    seed: int,
    first: int,
    device: torch.device,
) -> Iterator[tuple[int, tuple[torch.Tensor, torch.Tensor]]]:
    """Yield each step's batch; the next one is drawn while the network works."""

    def draw_step(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        pair = draw(volumes, settings, shares, np.random.default_rng([seed, step]))
        return (pair[0].pin_memory(), pair[1].pin_memory()) if device.type == "cuda" else pair

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(draw_step, first)
        for step in range(first, settings.steps):
            batch = pending.result()
            if step + 1 < settings.steps:
                pending = pool.submit(draw_step, step + 1)
            yield step, batch


class Trainer:
    """The state of a training: network, its moving average, optimiser and step.

    Parameters
    ----------
    initial
        Weights to start from; without them the start is random and the learning rate the one for that.
    """

    def __init__(
        self,
        settings: UNetSettings,
        particles: Sequence[Particle],
        seed: int,
        device: torch.device,
        *,
        initial: Path | None = None,
    ) -> None:
        self.settings, self.classes, self.device = settings, 1 + len(particles), device
        if device.type == "cpu":
            keep_freed_memory()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_network(settings, self.classes)
        if initial is not None:
            start_from(initial, network, particles, class_axes=class_axes, background=True)
        self.network = network.to(device)
        self.average = build_network(settings, self.classes).to(device)
        self.average.load_state_dict(self.network.state_dict())
        self.multiple = self.network.multiple
        self.dtype = compute_dtype(device, settings.precision)
        self.peaks = self._peaks(pretrained=initial is not None)
        named = list(self.network.named_parameters())
        groups = [[value for name, value in named if is_encoder(name) is encoder] for encoder in (True, False)]
        self.optimiser = torch.optim.AdamW(
            [{"params": group} for group in groups], weight_decay=settings.weight_decay, fused=True
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        self.tversky = TverskyLoss(
            include_background=False,
            to_onehot_y=True,
            softmax=True,
            alpha=settings.tversky_alpha,
            beta=settings.tversky_beta,
            batch=True,
        )
        weight = torch.full((self.classes,), settings.positive_weight, device=device)
        weight[0] = 1.0
        self.class_weight = weight
        self.step = 0

    def _peaks(self, *, pretrained: bool) -> tuple[float, float]:
        """Return the highest learning rates of encoder and decoder."""
        settings = self.settings
        if not pretrained:
            return settings.learning_rate, settings.learning_rate
        return settings.fine_rate * settings.encoder_share, settings.fine_rate

    def train_step(self, crops: torch.Tensor, targets: torch.Tensor, *, done: float) -> float:
        """Take one optimiser step, after which a share ``done`` of the training is done; return the loss."""
        self.network.train()
        for group, peak in zip(self.optimiser.param_groups, self.peaks, strict=True):
            group["lr"] = learning_rate(done, peak=peak, warmup=self.settings.warmup)
        crops = crops.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last_3d)
        targets = targets.to(self.device, non_blocking=True).long()
        logits = finite(lambda: self.network(crops), self.device, self.dtype)
        loss = self._loss(logits.float(), targets)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        follow(self.average, self.network, decay=self.settings.ema, step=self.step)
        return float(loss.detach())

    def _loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        share = self.settings.tversky_share
        entropy = functional.cross_entropy(logits, targets, self.class_weight)
        return share * self.tversky(logits, targets[:, None]) + (1 - share) * entropy

    def watch_dice(self, tomogram: Tomogram, targets: np.ndarray, particles: Sequence[Particle]) -> dict[str, float]:
        """Return the Dice of the average's argmax on the held-out tomogram in one view, per species and their mean."""
        settings = replace(self.settings, views=1)
        maps = UNetPredictor(self.average, settings, self.classes, self.device).predict(tomogram)
        found = maps.logits.argmax(0)
        dice = {}
        for particle in particles:
            a, b = found == particle.label, targets == particle.label
            size = int(a.sum()) + int(b.sum())
            dice[f"dice {particle.name}"] = 2 * int((a & b).sum()) / size if size else math.nan
        present = [value for value in dice.values() if not math.isnan(value)]
        return {"dice": float(np.mean(present)) if present else math.nan, **dice}

    def save(self, path: Path, progress: Mapping[str, Any]) -> None:
        """Write everything that a later process needs to go on as if nothing had happened, ``progress`` included."""
        save_checkpoint(path, self._parts(), {"step": self.step, **progress})

    def restore(self, path: Path) -> dict[str, Any]:
        """Go back to a saved state and return its progress; `load_checkpoint` says what it refuses."""
        progress = load_checkpoint(path, self._parts(), self.device)
        self.step = int(progress.pop("step"))
        return progress

    def _parts(self) -> dict[str, Part]:
        return {
            "network": self.network,
            "average": self.average,
            "optimiser": self.optimiser,
            "scaler": self.scaler,
        }
