"""Where a report's figures come from: data, fingerprints, versions, and the commands that made them."""

from collections.abc import Mapping
from typing import Any

from ensemble.build import DEFAULT_TRIALS
from ensemble.ensemble import FILE
from evaluation.options import DEFAULT_MEMBERS, DEFAULT_SEED
from evaluation.run_directory import RunDirectory
from models.settings import PRESETS
from submissions.export.provenance import ensemble_version


def origin(run: RunDirectory, ensemble: Mapping[str, Any], last: str) -> dict[str, Any]:
    """Return what made a run and its ensemble.

    Parameters
    ----------
    run
        The run.
    ensemble
        The content of ``ensemble.json``.
    last
        The command that predicted new tomograms; of shipped weights it is the only one.
    """
    record = run.record
    return {
        "data": record.data.root or "the built-in phantom",
        "data_hash": record.data_hash,
        "tomogram_type": record.data.tomogram_type,
        "tomograms": list(record.tomograms),
        "voxel_size": record.voxel_size,
        "folds": len(record.folds),
        "seeds": list(record.seeds),
        "ensemble": ensemble_version(run.path / FILE),
        "files": dict(ensemble.get("files", {})),
        "versions": dict(ensemble.get("versions", record.versions)),
        "commit": ensemble.get("commit", record.commit),
        "commands": [*(commands(run, ensemble) if ensemble.get("folds") else ()), last],
    }


def commands(run: RunDirectory, ensemble: Mapping[str, Any]) -> list[str]:
    """Return the commands that make and build such a run, as its records tell; of added members they know the name."""
    record, data = run.record, run.record.data
    cv = {
        "--data": data.root,
        "--tomo-type": data.tomogram_type if data.tomogram_type != "denoised" else None,
        "--user": data.user,
        "--session": data.session,
        "--voxel-spacing": data.voxel_spacing,
        "--picks": data.picks,
        "--voxel-size": data.working_voxel_size,
        "--mask": data.mask,
        "--preset": record.preset if record.preset != PRESETS[0] else None,
        "--members": () if run.members == DEFAULT_MEMBERS else run.members,
        "--seeds": () if run.seeds == (DEFAULT_SEED,) else run.seeds,
        "--extra-tomo-types": record.extra_tomogram_types,
    }
    tuning = ensemble.get("tuning", {})
    trials, seed = tuning.get("trials", DEFAULT_TRIALS), tuning.get("seed", DEFAULT_SEED)
    build = [
        ("--trials", None if trials == DEFAULT_TRIALS else trials),
        ("--seed", None if seed == DEFAULT_SEED else seed),
        *(("--add", f"{name}=FILE.csv") for name in ensemble.get("added", ())),
    ]
    sets = [("--set", override) for override in record.overrides]
    return [run.command("evaluation.cv", [*cv.items(), *sets]), run.command("ensemble.build", build)]
