"""Stage ``reading``: a volume read, checked and normalised, against reading it with zarr and nothing else."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from tests.benchmark.measure import interleave
from tests.benchmark.rows import Limit, Row
from tests.benchmark.scale import FULL_SHAPE, VOXEL_SIZE, Scale
from tests.benchmark.scenes import tomogram
from tomograms.ome_zarr import find_volume, open_store, write_volume
from tomograms.tomogram import normalise

MOST = 1.3


def ours(path: Path) -> NDArray[np.float32]:
    """Return the normalised volume."""
    volume = find_volume(open_store(path), str(path)).read()
    return normalise(volume, out=volume)


def zarr_way(path: Path) -> NDArray[np.float32]:
    """Return the bytes as they are stored."""
    import zarr

    return zarr.open(str(path), mode="r")["0"][:]


def files(path: Path) -> int:
    """Read every chunk's file, decode none."""
    return sum(len(chunk.read_bytes()) for chunk in (path / "0").rglob("*") if chunk.is_file())


def by_definition(volume: NDArray[np.float32], step: int) -> NDArray[np.float64]:
    """Return median 0, scale 1.4826 x MAD, clipped; both taken from every ``step``-th voxel."""
    sample = volume[::step, ::step, ::step].astype(np.float64)
    median = np.median(sample)
    return np.clip((volume - median) / (1.4826 * np.median(np.abs(sample - median))), -12, 6)


def run(scale: Scale) -> list[Row]:
    """Return the row."""
    shape = scale.pick(FULL_SHAPE, (24, 56, 56))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "denoised.zarr"
        write_volume(path, tomogram(shape)[0].volume * np.float32(7e-6), VOXEL_SIZE)
        times, results = interleave(
            {"ours": lambda: ours(path), "zarr": lambda: zarr_way(path), "files": lambda: files(path)},
            repeats=scale.pick(9, 2),
        )
    step = max(1, int(np.ceil((np.prod(shape) / 1e6) ** (1 / 3))))
    planes = slice(0, 8)
    expected = by_definition(results["zarr"], step)[planes]
    return [
        Row(
            "reading",
            f"{'x'.join(map(str, shape))} float32, {results['files'] / 2**20:.0f} MiB in files (cached by the system)",
            times["ours"],
            times["zarr"],
            "zarr reads and decodes, no more",
            floors=(Limit("of the peer's time", times["ours"].wall / times["zarr"].wall, MOST),),
            checks=(
                Limit(
                    "largest difference to the definition",
                    float(np.abs(results["ours"][planes] - expected).max()),
                    1e-3,
                ),
            ),
            notes={"the files alone, s": times["files"].wall},
        )
    ]
