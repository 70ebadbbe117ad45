"""Training of YOLO on slices: Ultralytics' trainer and its data set on disk, bent to this project's rules."""

import json
import random
import shutil
from copy import copy
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from compute.devices import resolve_device
from compute.precision import compute_dtype
from models.member import Advance, Training
from models.training.curves import write_history
from models.weights import header, save_weights
from models.yolo.arguments import arguments
from models.yolo.dataset import keep_dataset, write_dataset
from models.yolo.network import BACKBONE, SliceModel, find_weights, start_network
from models.yolo.runtime import DetectionTrainer, DetectionValidator, ModelEMA, YOLODataset, resample_segments
from models.yolo.settings import YoloSettings
from tomograms.errors import InputError

RESAMPLED = 32  # corners of a polygon during augmentation
WATCHED = {
    "metrics/mAP50(B)": "watch_map50",
    "metrics/mAP50-95(B)": "watch_map50_95",
    "metrics/precision(B)": "watch_precision",
    "metrics/recall(B)": "watch_recall",
}


def train_yolo(training: Training, advance: Advance) -> None:
    """Train and write weights, history and curves; see `models.member.Member.fit`."""
    settings: YoloSettings = training.settings
    where = resolve_device(training.device)
    pretrained = find_weights(settings)
    work = training.directory.resolve() / "ultralytics"
    shutil.rmtree(work, ignore_errors=True)  # of a training that was cut off
    work.mkdir(parents=True)
    data, side = write_dataset(work, training)
    given = arguments(
        settings,
        data=data,
        side=side,
        seed=training.seed,
        directory=work,
        device=str(where),
        fine=pretrained is not None,
    )
    trainer = SliceTrainer(given, training=training, pretrained=pretrained, device=where, advance=advance)
    # Its check of mixed precision would download a network to compare with.
    with patch("ultralytics.engine.trainer.check_amp", lambda model: True):
        trainer.train()
    rows = trainer.rows
    write_history(training.directory, rows, loss=("loss", "watch_loss"), metric=("watch_map50", "watch_map50_95"))
    if settings.keep_images:
        keep_dataset(work, training.directory / "slices")
    shutil.rmtree(work)
    # The weights come last: their file says that the training is done.
    card = header("yolo", settings, training.particles)
    save_weights(training.directory / "weights.safetensors", trainer.ema.ema.state_dict(), card)


class SliceDataset(YOLODataset):
    """Ultralytics' data set, with images transposed at random and polygons kept as small as they were written."""

    transpose = 0.0

    def cache_images(self) -> None:
        """Keep all images in memory; Ultralytics' own way prints a progress bar, whatever it is told."""
        for i in range(self.ni):
            self.ims[i], self.im_hw0[i], self.im_hw[i] = self.load_image(i)

    def update_labels_info(self, label: dict[str, Any]) -> dict[str, Any]:
        """Return the label with its polygons at `RESAMPLED` corners; Ultralytics' 1000 only cost time on circles."""
        segments = label.pop("segments", [])
        label = super().update_labels_info({**label, "segments": []})
        if len(segments):
            label["instances"].segments = np.stack(resample_segments(segments, n=RESAMPLED), axis=0)
        return label

    def get_image_and_label(self, index: int) -> dict[str, Any]:
        """Return an image with its label, transposed with the set probability (images are square)."""
        out = super().get_image_and_label(index)
        if self.augment and random.random() < self.transpose:
            out["img"] = np.ascontiguousarray(out["img"].swapaxes(0, 1))
            instances = out["instances"]
            instances.bboxes[:] = instances.bboxes[:, [1, 0, 3, 2]]
            instances.segments = np.ascontiguousarray(instances.segments[..., ::-1])
        return out


class SliceTrainer(DetectionTrainer):
    """Ultralytics' trainer: the average of the weights is the result, and nothing reads the watched slices."""

    def __init__(
        self,
        overrides: dict[str, Any],
        *,
        training: Training,
        pretrained: Path | None,
        device: torch.device,
        advance: Advance,
    ):
        self.settings: YoloSettings = training.settings
        self.particles = training.particles
        self.pretrained = pretrained
        self.advance = advance
        self.rows: list[dict[str, float]] = []
        self.batches = 0
        self.dtype = compute_dtype(device, self.settings.precision)
        gpu = device.type == "cuda"
        amp = {torch.bfloat16: "bf16", torch.float16: True}.get(self.dtype, False) if gpu else False
        super().__init__(overrides={**overrides, "amp": amp})
        self.add_callback("on_pretrain_routine_end", SliceTrainer._average_quickly)
        self.add_callback("on_train_epoch_start", SliceTrainer._count_batches)
        self.add_callback("on_train_batch_end", SliceTrainer._tell)
        self.add_callback("on_train_epoch_end", SliceTrainer._check_loss)

    def _average_quickly(self) -> None:
        self.ema = ModelEMA(self.model, decay=self.settings.ema_decay, tau=self.settings.ema_steps)

    def _check_loss(self) -> None:
        if not torch.isfinite(self.loss):  # Ultralytics would go on from a checkpoint, and there is none
            raise InputError(
                f"yolo: the loss is {self.loss.item()} after epoch {self.epoch + 1}; lower --set yolo.lr0 or the gains"
            )

    def _count_batches(self) -> None:
        self.batches = 0

    def _tell(self) -> None:
        self.batches += 1
        each = len(self.train_loader)
        loss = sum(float(part) for part in self.tloss.values())
        self.advance(self.epoch * each + self.batches, self.epochs * each, f"loss {loss:.2f}")

    def get_dataset(self) -> dict[str, Any]:
        """Return the data set as `write_dataset` left it; Ultralytics' own way asks the network for a font."""
        data = json.loads(Path(self.args.data).read_text(encoding="utf-8"))
        names = {int(label): name for label, name in data["names"].items()}
        folder = Path(data["path"])
        images = {split: str(folder / data[split]) for split in ("train", "val")}
        return {"path": folder, **images, "names": names, "nc": len(names), "channels": 3}

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> SliceDataset:
        """Return the slices of one split."""
        dataset = SliceDataset(
            img_path=img_path,
            data=self.data,
            imgsz=self.args.imgsz,
            batch_size=batch,
            augment=mode == "train",
            hyp=self.args,
            rect=False,
            cache=self.args.cache,
            stride=32,
            pad=0.0,
            task="detect",
        )
        dataset.transpose = self.settings.transpose
        return dataset

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = False) -> SliceModel:
        """Return the network, with the weights that it starts from."""
        model = SliceModel(cfg, nc=self.data["nc"], ch=3, verbose=False)
        model.dtype = self.dtype
        if self.pretrained is not None:
            start_network(model, self.pretrained, self.particles)
        return model.to(memory_format=torch.channels_last)

    def setup_model(self) -> None:
        """Build the network; pretrained files are read by this project, safely, and never by Ultralytics itself."""
        self.model: Any = self.get_model(cfg=str(self.args.model))

    def build_optimizer(self, model: Any, *arguments: Any, **options: Any) -> torch.optim.Optimizer:
        """Return the optimiser; Adam's fused step, which Ultralytics asks for on GPUs only, also pays on CPUs."""
        optimizer = super().build_optimizer(model, *arguments, **options)
        if self.pretrained is not None:
            slow_down(optimizer, model.model[:BACKBONE], share=self.settings.encoder_share)
        if self.device.type == "cpu" and isinstance(optimizer, torch.optim.Adam):  # AdamW is one
            for group in optimizer.param_groups:
                group["fused"] = True
        return optimizer

    def get_validator(self) -> DetectionValidator:
        """Return Ultralytics' validator."""
        return DetectionValidator(self.test_loader, save_dir=self.save_dir, args=copy(self.args), _callbacks={})

    def validate(self) -> tuple[dict[str, float], float]:
        """Look at the watched slices every few epochs and at the end; nothing else depends on it."""
        last = self.epoch + 1 == self.epochs
        if self.validator.dataloader is None or not (last or (self.epoch + 1) % self.settings.watch_every == 0):
            return {}, 0.0
        return self.validator(self), 0.0

    def save_model(self) -> bool:
        """Save nothing: the result is taken from memory, so that no pickle is ever left on disk."""
        return False

    def save_metrics(self, metrics: dict[str, float]) -> None:
        """Keep the epoch's losses and validation metrics for ``history.csv``."""
        batches = len(self.train_loader)
        row = {"step": (self.epoch + 1) * batches, "epoch": self.epoch + 1, "learning_rate": metrics["lr/pg0"]}
        parts = {f"{part}_loss": metrics[f"train/{part}_loss"] for part in ("box", "cls", "dfl")}
        row |= {"loss": sum(parts.values()), **parts}
        if self.metrics:
            row |= {name: self.metrics[key] for key, name in WATCHED.items()}
            row["watch_loss"] = sum(self.metrics[f"val/{part}_loss"] for part in ("box", "cls", "dfl"))
        self.rows.append(row)

    def final_eval(self) -> None:
        """Do without Ultralytics' evaluation of ``best.pt``: the last step's weights are the result."""


def slow_down(optimizer: torch.optim.Optimizer, part: torch.nn.Module, *, share: float) -> None:
    """Give a part of the network that share of its learning rate: its parameters move into groups of their own."""
    slow = {id(parameter) for parameter in part.parameters()}
    for group in list(optimizer.param_groups):
        chosen = [p for p in group["params"] if id(p) in slow]
        group["params"] = [p for p in group["params"] if id(p) not in slow]
        if chosen:
            optimizer.add_param_group({**group, "params": chosen, "lr": share * group["lr"]})
