"""What a prediction on Kaggle's data imports: nothing that the bundle leaves out."""

import subprocess
import sys

from submissions.kaggle.packages import NOT_FOR_INFERENCE, inference_requirements
from tests.tomograms.trees import write_tree

PROGRAM = """
import importlib.abc, sys
from pathlib import Path

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
import submissions.check, submissions.make
import submissions.prediction.submit, models.unet.member, models.detector.member, models.yolo.member
from models.settings import resolve_settings
from models.yolo.network import build_network
from tomograms.dataset import open_dataset
models.detector.member.DetectorMember.architecture.build(resolve_settings("detector", "demo", []), 6)
build_network(resolve_settings("yolo", "demo", []).network, 6)
print(open_dataset(Path({root!r})).tomogram("TS_1").volume.shape)
"""


def test_inference_without_what_the_bundle_leaves_out(tmp_path):
    root = write_tree(tmp_path / "data", {"TS_1": {}})
    blocked = {name.replace("-", "_") for name in NOT_FOR_INFERENCE} | {"boto3", "botocore", "matplotlib"}
    program = PROGRAM.format(blocked=blocked, root=str(root))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("(9, 12, 15)"), done.stderr[-2000:]


def test_the_rest_is_packed():
    names = {text.partition(">")[0].partition(",")[0] for text in inference_requirements()}
    assert {"zarr", "monai", "ultralytics", "safetensors", "psutil"} <= names and not names & NOT_FOR_INFERENCE
