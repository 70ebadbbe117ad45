"""Settings of the YOLO member and its presets. No torch here."""

from dataclasses import dataclass, replace
from pathlib import Path

from compute.precision import PRECISIONS
from models.initial import PRETRAINED
from models.settings import check_rules, in_range

NETWORKS = tuple(f"yolo11{size}" for size in "nsmlx")
OPTIMIZERS = ("AdamW", "SGD", "MuSGD", "Adam", "NAdam", "RAdam")


@dataclass(frozen=True)
class YoloSettings:
    """What is cut from the tomograms, how the network is trained, and how it predicts.

    Attributes
    ----------
    network
        Ultralytics' architecture: ``yolo11n``, ``s``, ``m``, ``l`` or ``x``.
    init
        ``pretrained`` (the shipped weights, else ``NETWORK.pt`` of the working folder, else from scratch with a
        warning), ``scratch``, or a path (see `models.initial`; a ``.pt`` file of Ultralytics' is welcome).
    thickness
        Voxels that one slab averages.
    step
        Voxels between neighbouring training slices; prediction looks at every ``predict_step``-th.
    predict_step
        Voxels between neighbouring slices at prediction.
    gap
        Voxels between the three slabs that make an image's colour channels.
    zoom
        Image pixels per voxel.
    label_fraction
        A particle is labelled in the slices where its cross-section's radius is at least this fraction of its own.
    radius_scale
        Labelled radius as a fraction of the particle's radius.
    epochs, warmup_epochs, batch, optimizer, lr0, lrf, cosine, momentum, weight_decay
        Ultralytics' arguments of (nearly) the same names; one batch is one optimiser step.
    fine_lr0, encoder_share
        ``lr0`` where the training starts from weights, and the backbone's rate as a share of it.
    box, cls, dfl, class_power
        Loss gains, and the power of the inverse class frequency that weights classes.
    ema_decay, ema_steps
        The weights' moving average: its final decay, and the steps in which it ramps up.
    degrees, shear, translate, scale, fliplr, flipud, transpose, zflip, brightness
        Augmentation of single images: largest angles, shares of the image, and relative changes; ``fliplr``,
        ``flipud``, ``transpose`` and ``zflip`` (the slabs in reverse) are probabilities.
    mosaic, close_mosaic, mixup, copy_paste
        Augmentation that mixes images: probabilities, and the last epochs that do without.
    watch_every, watch_step
        Epochs between looks at the held-out tomogram, and voxels between the slices that are looked at.
    confidence, nms_iou, max_boxes
        Boxes of lower confidence are dropped; boxes of one class that overlap more are one; most boxes a slice.
    views
        Views of each slice at prediction: 1, or 2, 4, 8 with flips and transposition.
    precision
        ``auto``, ``bf16``, ``fp16`` or ``fp32``.
    keep_images
        Keep the slices on disk after training.
    workers
        Most processes that prepare batches on a GPU; fewer where cores or shared memory do not suffice, none on a CPU.
    """

    network: str = "yolo11n"
    init: str = PRETRAINED
    thickness: int = 1
    step: int = 1
    predict_step: int = 2
    gap: int = 2
    zoom: float = 1.0
    label_fraction: float = 0.5
    radius_scale: float = 1.0
    epochs: int = 20
    warmup_epochs: float = 0.5
    batch: int = 8
    optimizer: str = "AdamW"
    lr0: float = 0.002
    fine_lr0: float = 0.001
    encoder_share: float = 0.3
    lrf: float = 0.01
    cosine: bool = True
    momentum: float = 0.9
    weight_decay: float = 0.0005
    box: float = 7.5
    cls: float = 0.5
    dfl: float = 1.5
    class_power: float = 0.0
    ema_decay: float = 0.98
    ema_steps: int = 50
    degrees: float = 180.0
    shear: float = 0.0
    translate: float = 0.1
    scale: float = 0.0
    fliplr: float = 0.5
    flipud: float = 0.5
    transpose: float = 0.5
    zflip: float = 0.5
    brightness: float = 0.2
    mosaic: float = 0.0
    close_mosaic: int = 0
    mixup: float = 0.0
    copy_paste: float = 0.0
    watch_every: int = 5
    watch_step: int = 4
    confidence: float = 0.003
    nms_iou: float = 0.5
    max_boxes: int = 300
    views: int = 4
    precision: str = "auto"
    keep_images: bool = False
    workers: int = 8


FULL = YoloSettings(
    epochs=100,
    warmup_epochs=10.0,
    batch=32,
    lrf=0.03,
    momentum=0.95,
    weight_decay=0.005,
    ema_decay=0.997,
    ema_steps=200,
    degrees=45.0,
    shear=5.0,
    transpose=0.0,
    zflip=0.0,
    mosaic=1.0,
    close_mosaic=10,
    mixup=0.2,
    copy_paste=0.25,
)
"""Six tomograms of 184 slices are about 3,500 steps: the average's memory of 330 is a tenth of them, as in `SHORT`."""
SHORT = YoloSettings(epochs=16)
DEMO = YoloSettings(epochs=3)


def presets(folder: Path = Path()) -> dict[str, YoloSettings]:
    """Return the presets; ``full`` trains the largest network of which Ultralytics' weights lie in a folder.

    Without any it trains the one that ships with weights from simulated tomograms.
    """
    there = [name for name in NETWORKS if (folder / f"{name}.pt").is_file()]
    return {"demo": DEMO, "short": SHORT, "full": replace(FULL, network=there[-1]) if there else FULL}


def check_settings(settings: YoloSettings) -> None:
    """Refuse values that cannot be trained with; see `models.member.Member.check`."""
    counts = ("thickness", "step", "predict_step", "epochs", "batch", "watch_every", "watch_step", "max_boxes")
    positive = (*counts, "zoom", "radius_scale", "lr0", "ema_steps")
    at_least_0 = ("gap", "warmup_epochs", "fine_lr0", "encoder_share", "lrf", "weight_decay", "box", "cls", "dfl")
    chances = ("fliplr", "flipud", "transpose", "zflip", "mosaic", "mixup", "copy_paste")
    fractions = ("label_fraction", "confidence", "nms_iou", "translate", "brightness")
    check_rules(
        "yolo",
        settings,
        [
            *in_range(settings, positive, 0, above=True),
            *in_range(settings, (*at_least_0, "class_power", "close_mosaic", "workers"), 0),
            *in_range(settings, (*chances, *fractions), 0, 1),
            *in_range(settings, ("ema_decay", "momentum", "scale"), 0, 1, below=True),
            *in_range(settings, ("degrees", "shear"), 0, 180),
            ("network", settings.network in NETWORKS, f"one of {', '.join(NETWORKS)}"),
            ("optimizer", settings.optimizer in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}"),
            ("views", settings.views in (1, 2, 4, 8), "a value of 1, 2, 4 or 8"),
            ("precision", settings.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        ],
    )
