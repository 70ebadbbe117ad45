"""One folder that can be uploaded to Kaggle as it is: weights, ensemble, wheels, notebook and metadata."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ensemble.add import added_path
from ensemble.ensemble import FILE, load_ensemble
from evaluation.run_directory import RunDirectory
from submissions.export.provenance import ensemble_version
from submissions.kaggle.notebook import write_notebook
from submissions.kaggle.packages import (
    PROJECT,
    PYTHONS,
    download_wheels,
    inference_requirements,
    lacking,
    project_metadata,
    write_wheel,
)
from submissions.prediction.final import ALL, model_folders
from submissions.prediction.fusion import members_in_use
from tomograms.errors import InputError
from tomograms.files import replacing, write_json

COMPETITION = "czii-cryo-et-object-identification"
RUN = "run"
"""Name of the run inside the bundle."""


@dataclass(frozen=True)
class Order:
    """What a bundle is to be.

    Attributes
    ----------
    account
        The Kaggle account that uploads it.
    budget, expect
        For the notebook.
    image
        What Kaggle's image has; see `submissions.kaggle.packages.lacking`.
    final
        Which models are packed; see `submissions.prediction.final`.
    """

    account: str
    budget: str
    expect: int
    image: Mapping[str, str | None]
    final: str


def slug(title: str) -> str:
    """Return Kaggle's address of a title: lower case, words joined by dashes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def write_bundle(folder: Path, run: RunDirectory, order: Order) -> dict[str, Any]:
    """Write the bundle and return what ``bundle.json`` says of it.

    An old bundle in ``folder`` is replaced once the new one is complete; a folder that holds something else is refused.

    Raises
    ------
    InputError
        If weights are missing, a wheel cannot be had, or the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "bundle.json").exists():
        raise InputError(f"{folder}: expected an empty folder or an old bundle, but it holds something else")
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        record = _fill(making, run, order)
        making.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return record


def _fill(folder: Path, run: RunDirectory, order: Order) -> dict[str, Any]:
    members = members_in_use(load_ensemble(run.path / FILE), run)
    copy_run(run, members, folder / RUN, final=order.final)
    (folder / "wheels").mkdir()
    write_wheel(folder / "wheels")
    packed = lacking(inference_requirements(), order.image)
    download_wheels(packed, folder / "wheels", pythons=PYTHONS)
    write_notebook(folder / "submit.ipynb", budget=order.budget, expect=order.expect, final=order.final)
    title = f"CryoET picks {run.name}"[:43].strip()
    write_json(folder / "dataset-metadata.json", dataset_metadata(title, order.account))
    write_json(folder / "kernel-metadata.json", kernel_metadata(title, order.account))
    record = {
        "run": run.name,
        "ensemble": ensemble_version(run.path / FILE),
        "members": list(members),
        "project": f"{PROJECT}=={project_metadata().version}",
        "packed": packed,
        "pythons": list(PYTHONS),
        "simulated": run.record.simulated,
    }
    write_json(folder / "bundle.json", record)
    return record


def copy_run(run: RunDirectory, members: tuple[str, ...], folder: Path, *, final: str) -> None:
    """Copy what predicting needs of a run: its record, ensemble, weights and added members' candidates.

    Raises
    ------
    InputError
        If a weights file is missing.
    """
    # Where the training data and masks lay is nobody's business elsewhere, and they are not there.
    data = replace(run.record.data, root="/kaggle/input", picks=None, mask=None)
    replace(run.record, data=data).write(folder / "run.json")
    files = [run.path / FILE]
    files += [job / "weights.safetensors" for member in members for job in model_folders(run, member, final).values()]
    others = [member for member in load_ensemble(run.path / FILE).members if member not in run.members]
    files += [added_path(run, member) for member in others]
    for file in files:
        if not file.exists():
            maker = (
                run.command("submissions.make", [("--final", ALL)]) if final == ALL else run.command("evaluation.cv")
            )
            raise InputError(f"{file}: no such file; {maker} makes it")
        with replacing(folder / file.relative_to(run.path)) as temporary:
            shutil.copyfile(file, temporary)


def dataset_metadata(title: str, account: str) -> dict[str, Any]:
    """Return the content of ``dataset-metadata.json``."""
    name = f"{title} bundle"[:50]
    return {"title": name, "id": f"{account}/{slug(name)}", "licenses": [{"name": "AGPL-3.0"}]}


def kernel_metadata(title: str, account: str) -> dict[str, Any]:
    """Return the content of ``kernel-metadata.json``: private, with GPUs, offline, on the competition's data."""
    return {
        "id": f"{account}/{slug(title)}",
        "title": title,
        "code_file": "submit.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_internet": False,
        "machine_shape": "NvidiaTeslaT4",
        "dataset_sources": [dataset_metadata(title, account)["id"]],
        "competition_sources": [COMPETITION],
        "kernel_sources": [],
        "model_sources": [],
    }
