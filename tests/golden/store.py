"""Golden files: how content becomes text, where it is kept, and how far a new one may be from it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

FILES = Path(__file__).parent / "files"
WIDTH = 110
"""Characters up to which a JSON value stands on one line."""


@dataclass(frozen=True)
class Stage:
    """A stage whose behaviour is frozen.

    Attributes
    ----------
    compute
        Takes an empty folder and returns content by file name: text, a table (``.csv``), or plain values (``.json``).
    rtol, atol
        A number may differ by ``atol + rtol x |stored|``; texts, integers and the order of rows may not. Where both are
        0, the whole text is the same.
    reason
        Why numbers may differ at all.
    """

    compute: Callable[[Path], Mapping[str, Any]]
    rtol: float = 0.0
    atol: float = 0.0
    reason: str = ""

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the stage's content as text, by file name."""
        with _one_thread():
            return {name: to_text(content) for name, content in self.compute(folder).items()}

    def differences(self, name: str, found: str) -> list[str]:
        """Return where a file's new text differs from the stored one by more than is allowed."""
        path = FILES / name
        if not path.exists():
            return [f"{name}: expected a stored file, but there is none"]
        stored = path.read_text(encoding="utf-8")
        if found == stored:
            return []
        cells = {".json": _json_cells, ".csv": _csv_cells}.get(path.suffix, _lines)
        read = cells if self.rtol or self.atol else _lines
        pairs = _paired(read(stored), read(found))
        return [f"{name}, {where}: expected {a!r}, but got {b!r}" for where, a, b in pairs if not self._agree(a, b)]

    def _agree(self, stored: Any, found: Any) -> bool:
        if isinstance(stored, float) and isinstance(found, float):
            if not (math.isfinite(stored) and math.isfinite(found)):
                return repr(stored) == repr(found)
            return abs(found - stored) <= self.atol + self.rtol * abs(stored)
        return type(stored) is type(found) and stored == found


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: the order of sums is then always the same, and other jobs on the machine cost less."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def to_text(content: Any) -> str:
    """Return a text as it is, a table as CSV and other values as JSON; floats survive exactly."""
    if isinstance(content, str):
        return content
    if isinstance(content, pd.DataFrame):
        return content.to_csv(index=False, lineterminator="\n")
    return _json_text(plain(content), "") + "\n"


def plain(value: Any) -> Any:
    """Return arrays, tables and dataclasses as lists and dictionaries; narrow floats get their shortest digits."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, (np.float16, np.float32)):
        return float(str(value))
    return value.item() if isinstance(value, np.generic) else value


def digest(array: NDArray[Any]) -> dict[str, Any]:
    """Return what identifies an array: its type, its shape and a hash of its values."""
    values = np.ascontiguousarray(array)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return {"dtype": str(array.dtype), "shape": array.shape, "sha256": sha256(values.tobytes()).hexdigest()[:32]}


def statistics(array: NDArray[Any]) -> dict[str, float]:
    """Return mean, standard deviation and extremes of an array."""
    values = array.astype(np.float64)
    return {
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "least": float(values.min()),
        "most": float(values.max()),
    }


def _json_text(value: Any, indent: str) -> str:
    """Return JSON whose short values stand on one line."""
    short = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(short) <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return short
    inner = indent + " "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {_json_text(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}}}"
    if any(isinstance(item, (dict, list)) for item in value):
        return "[\n" + ",\n".join(inner + _json_text(item, inner) for item in value) + f"\n{indent}]"
    lines = [""]
    for part in (json.dumps(item, ensure_ascii=False) for item in value):
        if lines[-1] and len(inner) + len(lines[-1]) + len(part) + 2 > WIDTH:
            lines.append("")
        lines[-1] += f" {part}," if lines[-1] else f"{part},"
    return "[\n" + "\n".join(inner + line for line in lines)[:-1] + f"\n{indent}]"


def _lines(text: str) -> Iterator[tuple[str, Any]]:
    yield from ((f"line {number}", line) for number, line in enumerate(text.split("\n"), start=1))


def _csv_cells(text: str) -> Iterator[tuple[str, Any]]:
    header, *rows = csv.reader(text.splitlines())
    yield "header", ",".join(header)
    for number, row in enumerate(rows, start=2):
        for name, cell in zip(header, row, strict=True):
            yield f"line {number}, {name}", _number(cell)


def _number(cell: str) -> float | str:
    """Return a decimal fraction as a number; integers and texts stay text, and so are compared exactly."""
    try:
        return cell if cell.lstrip("-").isdigit() else float(cell)
    except ValueError:
        return cell


def _json_cells(text: str) -> Iterator[tuple[str, Any]]:
    yield from _leaves(json.loads(text), "")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield f"keys of {path or 'all'}", list(value)
        for key, item in value.items():
            yield from _leaves(item, f"{path}/{key}")
    elif isinstance(value, list):
        yield f"length of {path or 'all'}", len(value)
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}/{index}")
    else:
        yield path, value


def _paired(stored: Iterator[tuple[str, Any]], found: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the place and both values, up to the first place that only one of them has."""
    end = ("end", None)
    while True:
        (where, a), (there, b) = next(stored, end), next(found, end)
        if where != there:
            yield f"{where} against {there}", a, b
            return
        if where == "end":
            return
        yield where, a, b
