"""Stages that train: gradients, the U-Net and YOLO within a T4's memory, and memory layouts."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile

from compute.precision import autocast
from models.instance_norm import ChannelsLastInstanceNorm3d
from models.member import Training, Validation
from models.registry import get_member
from models.training.crop_learner import prefetch
from models.unet.settings import FULL
from models.unet.training import UNetLearner
from tests.benchmark.scenes import tomogram
from tests.gpu.facts import Bench
from tomograms.particles import CZII
from tomograms.tomogram import Tomogram


def learner_of(device: str, precision: str, **changes: Any) -> UNetLearner:
    """Return a U-Net of the preset ``full`` in training."""
    return UNetLearner(replace(FULL, precision=precision, **changes), CZII, 0, device)


def gradients(bench: Bench) -> None:
    """Compare the gradients of one fp32 step with a CPU's, for batches of one and two."""
    generator = torch.Generator().manual_seed(0)
    for batch in (1, 2):
        crops = torch.randn(batch, 1, 48, 64, 64, generator=generator)
        targets = torch.randint(0, 7, (batch, 24, 32, 32), generator=generator)
        flat = []
        for device in ("cpu", bench.device):
            learner = learner_of(device, "fp32")
            logits = learner.network(crops.to(device).contiguous(memory_format=torch.channels_last_3d))
            learner.loss(logits.float(), targets.to(device)).backward()
            flat.append(torch.cat([p.grad.flatten().cpu().double() for p in learner.network.parameters()]))
        cosine = float(torch.nn.functional.cosine_similarity(*flat, dim=0))
        bench.tell(f"batch {batch}, cosine with the CPU's", cosine, cosine > 0.999, "(above 0.999)")


def unet(bench: Bench) -> None:
    """Take steps of the preset ``full``: speed, waiting for crops, memory, and a loss that falls.

    They start from scratch: a loss that starts from weights which know particles may rise at first.
    """
    shape = bench.size((184, 400, 400), (40, 110, 110))
    changes = bench.size({"steps": 120}, {"crop": (24, 32, 32), "batch": 2, "steps": 40})
    for precision in ("fp16", "bf16") if bench.gpu else ("fp32",):
        with bench.like_a_t4(f"{precision}, memory"):
            learner = learner_of(bench.device, precision, init="scratch", **changes)
            volumes = [learner.prepare(*tomogram(shape, seed)) for seed in (1, 2)]
            _train(bench, learner, volumes, precision)
        if precision == "fp16":
            scale = float(learner.scaler.get_scale())
            bench.tell("fp16, loss scale", scale, scale >= 64, "(at least 64)")


def _train(bench: Bench, learner: UNetLearner, volumes: list[Any], precision: str) -> None:
    steps = learner.settings.steps
    warm, losses = steps // 3, []
    start = wait = 0.0
    before = time.perf_counter()
    for step, batch in prefetch(learner, volumes, 0):
        if step == warm:
            bench.sync()
            start, wait = time.perf_counter(), 0.0
        else:
            wait += time.perf_counter() - before
        losses.append(learner.learn(batch, done=(step + 1) / steps))
        before = time.perf_counter()
    seconds = time.perf_counter() - start
    bench.tell(f"{precision}, steps a second", (steps - warm) / seconds)
    bench.tell(f"{precision}, share of time waiting for crops", wait / seconds, wait / seconds < 0.2, "(below 0.2)")
    first, last = float(np.mean(losses[: steps // 5])), float(np.mean(losses[-steps // 5 :]))
    bench.tell(f"{precision}, loss", f"{first:.3f} -> {last:.3f}", np.isfinite(losses).all() and last < first)


def layouts(bench: Bench) -> None:
    """Time forward and backward of a training batch in several ways, and name what takes longest in each."""
    last, first = torch.channels_last_3d, torch.contiguous_format
    cases: dict[str, dict[str, Any]] = {
        "as it is": {},
        "norm by sample": {"norm": ChannelsLastInstanceNorm3d.by_sample},
        "cuDNN's benchmark": {"benchmark": True},
        "channels first": {"layout": first},
        "channels first, norm by sample": {"layout": first, "norm": ChannelsLastInstanceNorm3d.by_sample},
    }
    size = bench.size((8, 1, 96, 128, 128), (1, 1, 24, 32, 32))
    own = ChannelsLastInstanceNorm3d.forward
    for name, case in cases.items():
        ChannelsLastInstanceNorm3d.forward = case.get("norm", own)  # type: ignore[method-assign]
        torch.backends.cudnn.benchmark = case.get("benchmark", False)
        learner = learner_of(bench.device, "fp16" if bench.gpu else "fp32")
        spent, slowest = _milliseconds(bench, learner, size, case.get("layout", last))
        bench.tell(f"{name}, ms", spent, remark=slowest)


def _milliseconds(
    bench: Bench, learner: UNetLearner, size: tuple[int, ...], layout: torch.memory_format
) -> tuple[float, str]:
    """Return the time of a forward and backward pass, and its slowest operation with the shapes it had."""
    learner.network.to(memory_format=layout)  # type: ignore[call-overload]
    crops = torch.randn(size, device=bench.device).contiguous(memory_format=layout)

    def work() -> None:
        with autocast(learner.device, learner.dtype):
            loss = learner.network(crops).float().square().mean()
        learner.scaler.scale(loss).backward()
        bench.sync()

    times = []
    for _ in range(bench.size(9, 3)):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if bench.gpu else [])]
    with profile(activities=kinds, record_shapes=True) as watched:
        work()
    rows = watched.key_averages(group_by_input_shape=True)
    spent = "self_device_time_total" if bench.gpu else "self_cpu_time_total"
    slowest = max((row for row in rows if row.input_shapes), key=lambda row: getattr(row, spent))
    shapes = [shape for shape in slowest.input_shapes if shape][:3]
    return 1e3 * sorted(times)[len(times) // 2], f"({slowest.key} {shapes}: {getattr(slowest, spent) / 1e3:.1f} ms)"


def yolo(bench: Bench) -> None:
    """Train as users do, offline and within a T4's memory, in both formats."""
    warnings.simplefilter("ignore")
    volume, picks = tomogram(bench.size((96, 630, 630), (40, 110, 110)))
    held_out = Tomogram("TS_2", volume.volume[:16], volume.voxel_size)
    validation = Validation(held_out, picks.iloc[:0].assign(experiment="TS_2"))
    cases = [("full", "fp16"), ("full", "bf16")] if bench.gpu else [("short", "fp32")]
    for preset, precision in cases:
        base = get_member("yolo").presets[preset]
        changes = {"epochs": 2, "warmup_epochs": 0.5, "watch_every": 1, "precision": precision}
        settings = replace(base, **changes, **bench.size({}, {"batch": 4, "step": 4}))
        with bench.like_a_t4(f"{settings.network} {precision}, memory"):
            _fit(bench, settings, volume, picks, validation)
    bench.tell("a network was fetched", Path("yolo11n.pt").exists(), not Path("yolo11n.pt").exists())


def _fit(bench: Bench, settings: Any, volume: Tomogram, picks: pd.DataFrame, validation: Validation) -> None:
    member, name = get_member("yolo"), f"{settings.network} {settings.precision}"
    folder = bench.place / f"yolo-{settings.precision}"
    folder.mkdir()
    news: list[tuple[float, int]] = []
    training = Training([volume], picks, validation, CZII, settings, 1, folder, bench.device)
    member.fit(training, lambda done, total, note: news.append((time.perf_counter(), total)))
    late = news[len(news) // 2 :]
    if len(late) > 1:
        rate = (len(late) - 1) * settings.batch / max(1e-9, late[-1][0] - late[0][0])
        bench.tell(f"{name}, images a second", float(rate))
    history = pd.read_csv(folder / "history.csv")
    bench.tell(f"{name}, loss", float(history["loss"].iloc[-1]), np.isfinite(history["loss"]).all())
    boxes: Any = member.load(folder, bench.device).predict(volume, views=1)
    bench.tell(f"{name}, boxes", len(boxes.label), np.isfinite(boxes.confidence).all())
