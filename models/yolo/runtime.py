"""Ultralytics, imported so that it stays offline, quiet, and out of the user's home. It is imported only here.

It reads its environment once, when it is first imported.
"""

import os
import tempfile

import numpy as np
import torch

ENVIRONMENT = {
    "YOLO_OFFLINE": "true",  # no look-up of whether there is a network
    "YOLO_AUTOINSTALL": "false",  # no pip install of what it thinks is missing
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
}
INTEGRATIONS = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")

torch.get_num_threads()  # ultralytics sets OMP_NUM_THREADS to 1: torch must have read the user's value before
_kept = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "NUMEXPR_MAX_THREADS")}
_printing = np.get_printoptions()
with tempfile.TemporaryDirectory() as _directory:  # for its settings, which nobody needs
    os.environ.update(ENVIRONMENT, YOLO_CONFIG_DIR=_directory)
    os.environ.setdefault("MPLCONFIGDIR", _directory)  # its import may build matplotlib's font cache
    from ultralytics import __version__
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.models.yolo.detect import DetectionTrainer, DetectionValidator
    from ultralytics.nn.tasks import DetectionModel, torch_safe_load
    from ultralytics.utils import LOGGER, SETTINGS
    from ultralytics.utils.metrics import ap_per_class, box_iou
    from ultralytics.utils.ops import resample_segments
    from ultralytics.utils.tal import make_anchors
    from ultralytics.utils.torch_utils import ModelEMA
np.set_printoptions(**_printing)
for _name, _value in _kept.items():
    if _value is None:
        os.environ.pop(_name, None)
    else:
        os.environ[_name] = _value
LOGGER.setLevel("ERROR")
# In memory only: its own update would write the file again, wherever that lay.
dict.update(SETTINGS, {"sync": False, **dict.fromkeys(INTEGRATIONS, False)})

__all__ = [
    "DetectionModel",
    "DetectionTrainer",
    "DetectionValidator",
    "ModelEMA",
    "YOLODataset",
    "__version__",
    "ap_per_class",
    "box_iou",
    "get_cfg",
    "make_anchors",
    "resample_segments",
    "torch_safe_load",
]
