"""The ``yolo`` member: Ultralytics YOLO11 on 2D slices."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models.member import Advance, Learner, Watch
from models.training.curves import write_history
from models.weights import fill, header, load_weights, save_weights
from models.yolo.settings import PRESETS, YoloSettings, check_settings
from tomograms.errors import InputError
from tomograms.particles import Particle, from_records
from tomograms.tomogram import Tomogram

if TYPE_CHECKING:
    from models.yolo.prediction import YoloPredictor


class YoloMember:
    """See `models.member.Member`."""

    name = "yolo"
    presets: Mapping[str, YoloSettings] = PRESETS

    def check(self, settings: YoloSettings) -> None:
        """See `models.member.Member.check`."""
        check_settings(settings)

    def fit(
        self,
        train: Sequence[Tomogram],
        picks: pd.DataFrame,
        watch: Watch | None,
        *,
        particles: Sequence[Particle],
        settings: YoloSettings,
        seed: int,
        directory: Path,
        device: str,
        advance: Advance,
    ) -> None:
        """See `models.member.Member.fit`; a training that was cut off starts over."""
        from compute.precision import resolve_device
        from models.yolo.dataset import keep_dataset, write_dataset
        from models.yolo.initial import find_weights
        from models.yolo.runtime import import_ultralytics

        where = resolve_device(device)
        pretrained = find_weights(settings)
        work = directory.resolve() / "ultralytics"
        shutil.rmtree(work, ignore_errors=True)  # of a training that was cut off
        import_ultralytics(work)
        from models.yolo.training import SliceTrainer, arguments

        data, side = write_dataset(work, train, picks, watch, particles=particles, settings=settings)
        trainer = SliceTrainer(
            arguments(
                settings,
                data=data,
                side=side,
                seed=seed,
                directory=work,
                device=str(where),
                fine=pretrained is not None,
            ),
            settings=settings,
            particles=particles,
            pretrained=pretrained,
            device=where,
            advance=advance,
        )
        trainer.train()
        write_history(directory, trainer.rows, loss=("loss", "watch_loss"), metric=("watch_map50", "watch_map50_95"))
        if settings.keep_images:
            keep_dataset(work, directory / "slices")
        shutil.rmtree(work)
        # The weights come last: their file says that the training is done.
        save_weights(
            directory / "weights.safetensors", trainer.ema.ema.state_dict(), header("yolo", settings, particles)
        )

    def learner(self, *, particles: Sequence[Particle], settings: YoloSettings, seed: int, device: str) -> Learner:
        """See `models.member.Member.learner`."""
        from models.yolo.runtime import import_ultralytics

        import_ultralytics()
        from models.yolo.pretraining import YoloLearner

        return YoloLearner(settings, particles, seed, device)

    def load(self, directory: Path, device: str) -> YoloPredictor:
        """See `models.member.Member.load`."""
        from compute.precision import resolve_device
        from models.yolo.prediction import YoloPredictor
        from models.yolo.runtime import import_ultralytics

        import_ultralytics()
        from ultralytics.nn.tasks import DetectionModel

        where = resolve_device(device)
        path = directory / "weights.safetensors"
        state, card = load_weights(path)
        try:
            settings = YoloSettings(**json.loads(card["settings"]))
            particles = from_records(json.loads(card["particles"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: expected the card of a yolo member, but got {error!r}") from None
        network = DetectionModel(f"{settings.network}.yaml", ch=3, nc=len(particles), verbose=False)
        fill(network, state, path)
        labels = np.array(sorted(particle.label for particle in particles), np.int16)
        return YoloPredictor(network, labels, settings, where)
