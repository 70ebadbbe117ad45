"""Every parser of users' files with one good input, and ways of damaging it: only an `InputError` may come out."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np

from evaluation.folds import load_folds
from tests.tomograms.arrays import write_format_3, write_group_3
from tests.tomograms.trees import VOXEL_SIZE, grey, volume_folder, write_config, write_tree
from tomograms.dataset import open_dataset
from tomograms.errors import InputError
from tomograms.ome_zarr import FORMATS
from tomograms.picks import read_truth

ODD = [
    *("NaN", "-1", "0", "1e999", "-Infinity", "null", "true", '""', "[]", "{}", "[[]]", '"\\ud800"', "é", "\0"),
    *(
        "99999999999999999999",
        "1e-300",
        "'",
        '"',
        ",",
        "\n",
        "\t",
        "#",
        "data_",
        "loop_",
        "&a *a",
        "!!python/x",
        "[" * 200,
    ),
]
"""Pieces that parsers trip over."""


@dataclass(frozen=True)
class Parser:
    """What is fuzzed.

    Attributes
    ----------
    make
        Makes a good input in a folder; returns the file that is damaged.
    parse
        Reads it; takes the folder.
    """

    make: Callable[[Path], Path]
    parse: Callable[[Path], object]


def _tree(folder: Path) -> Path:
    return write_tree(folder / "data", {"TS_1": {"ribosome": [(50, 40, 30), (20, 30, 40)]}})


def _picks(folder: Path) -> Path:
    return next(_tree(folder).rglob("Picks/*.json"))


def _attributes(folder: Path) -> Path:
    return volume_folder(_tree(folder), "TS_1") / ".zattrs"


def _array(folder: Path) -> Path:
    return volume_folder(_tree(folder), "TS_1") / "0" / ".zarray"


def _format_3(folder: Path) -> Path:
    volume = volume_folder(_tree(folder), "TS_1")
    shutil.rmtree(volume)
    write_format_3(volume / "0", grey(0), chunks=(9, 6, 8), encoding={"name": "default"})
    write_group_3(volume, VOXEL_SIZE)
    return volume / "zarr.json"


def _array_3(folder: Path) -> Path:
    return _format_3(folder).parent / "0" / "zarr.json"


def _chunk(folder: Path) -> Path:
    return volume_folder(_tree(folder), "TS_1") / "0" / "0" / "0" / "0"


def _config(folder: Path) -> Path:
    _tree(folder)
    return write_config(folder / "data" / "config.json")


def _folds(folder: Path) -> Path:
    path = folder / "folds.yaml"
    path.write_text('"mine":\n  - {held_out: [A], train: [B, "1"]}\n  - {held_out: [B, "1"], train: [A]}\n')
    return path


def _csv(folder: Path) -> Path:
    path = folder / "truth.csv"
    path.write_text('experiment,particle_type,x,y,z\nTS_1,ribosome,1.5,2,3\n"TS,2",ribosome,1e3,0,-1\n')
    return path


def _mrc(folder: Path) -> Path:
    path = folder / "data" / "TS_1.mrc"
    path.parent.mkdir()
    with mrcfile.new(path) as file:
        file.set_data(np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32))
        file.voxel_size = 10.0
    return path


def _star(folder: Path) -> Path:
    _mrc(folder)
    path = folder / "data" / "ribosome.star"
    columns = "".join(
        f"_rln{name} #{i}\n" for i, name in enumerate(("TomoName", *(f"Coordinate{a}" for a in "XYZ")), 1)
    )
    path.write_text(f"\ndata_particles\n\nloop_\n{columns}TS_1 1.0 2.0 3.0\nTS_1 2 3 4\n\n")
    return path


def _table(folder: Path) -> Path:
    _mrc(folder)
    path = folder / "data" / "picks.csv"
    path.write_text("experiment,particle_type,x,y,z,unit\nTS_1,ribosome,1,2,3,voxel\nTS_1,ribosome,20,30,40,angstrom\n")
    return path


def _read(folder: Path) -> None:
    dataset = open_dataset(folder / "data")
    for split in ("train", "test"):
        for run in dataset.runs(split):
            dataset.tomogram(run)
            dataset.picks(run)


def _project(folder: Path) -> None:
    dataset = open_dataset(folder / "data" / "config.json")
    for run in dataset.runs("train"):
        dataset.picks(run)


PARSERS = {
    "picks JSON": Parser(_picks, _read),
    "zarr attributes": Parser(_attributes, _read),
    "zarr array": Parser(_array, _read),
    "zarr chunk": Parser(_chunk, _read),
    "copick config": Parser(_config, _project),
    "fold YAML": Parser(_folds, lambda folder: load_folds(["A", "B", "1"], folder / "folds.yaml")),
    "CSV": Parser(_csv, lambda folder: read_truth(folder / "truth.csv")),
    "MRC header": Parser(_mrc, _read),
    "STAR": Parser(_star, _read),
    "picks.csv": Parser(_table, _read),
}
"""By name."""
if 3 in FORMATS:
    PARSERS |= {"zarr.json of a group": Parser(_format_3, _read), "zarr.json of an array": Parser(_array_3, _read)}


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return an input with one to four faults: bytes changed, cut, doubled, replaced by odd pieces, values swapped."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 2, 4, 8, 40))
        kind = rng.randrange(6)
        if kind == 0 and data:
            data[min(place, len(data) - 1)] = rng.randrange(256)
        elif kind == 1:
            del data[place : place + length]
        elif kind == 2:
            data[place:place] = data[place : place + length]
        elif kind == 3:
            data[place : place + length] = rng.choice(ODD).encode("utf-8", "surrogatepass")
        elif kind == 4:
            data = data[:place]
        else:
            data = bytearray(_swapped(bytes(data), rng))
    return bytes(data)


def _swapped(data: bytes, rng: random.Random) -> bytes:
    """Return JSON with one of its values replaced by another kind of value, other data with a piece moved."""
    try:
        value = json.loads(data)
        places: list[tuple[object, object]] = []
        stack = [value]
        while stack:
            node = stack.pop()
            items = (
                list(node.items())
                if isinstance(node, dict)
                else list(enumerate(node))
                if isinstance(node, list)
                else []
            )
            places += [(node, key) for key, _ in items]
            stack += [child for _, child in items]
        node, key = rng.choice(places)
        node[key] = rng.choice([None, True, -1, 0, 1e308, "", "x", [], {}, [1], {"a": 1}, float("nan"), 10**30])  # type: ignore[index]
        return json.dumps(value).encode()
    except (ValueError, IndexError, RecursionError):
        a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        return data[:a] + data[b:] + data[a:b]


def fuzz(parser: Parser, folder: Path, inputs: int, seed: int) -> list[tuple[bytes, Exception]]:
    """Return the inputs, of so many, that ended in anything but a result or an `InputError`."""
    rng = random.Random(seed)
    path = parser.make(folder)
    good = path.read_bytes()
    parser.parse(folder)
    found: list[tuple[bytes, Exception]] = []
    for _ in range(inputs):
        content = damaged(good, rng)
        path.write_bytes(content)
        try:
            parser.parse(folder)
        except InputError as error:
            if "\n" in str(error).strip() and len(str(error).splitlines()) > 40:
                found.append((content, error))
        except Exception as error:
            found.append((content, error))
    return found
