"""Tables: their columns' types, and CSV files, of which every complaint names the line."""

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tomograms.errors import InputError

TYPES = {
    **dict.fromkeys(("experiment", "particle_type", "member", "model"), "object"),
    **dict.fromkeys(("x", "y", "z", "score"), "float64"),
}


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its text columns as objects and its numbers as float64, whatever it was read from."""
    return table.astype({name: TYPES[name] for name in table.columns if name in TYPES})


def read_table(
    path: Path,
    columns: Sequence[str],
    *,
    numbers: Collection[str],
    optional: Sequence[str] = (),
    exact_header: bool = False,
) -> pd.DataFrame:
    """Read columns of a CSV file.

    Parameters
    ----------
    path
        The file, UTF-8, with a header. Blank lines are passed over.
    columns
        Those that are wanted; others are left out.
    numbers
        Which of them hold numbers.
    optional
        Columns that are wanted where the file has them; one that is spelled like it is refused, not left out.
    exact_header
        Whether the file must have these columns in this order and no other.

    Returns
    -------
    The columns as wanted: text as it stands in the file, as ``str`` objects (``NA`` and ``007`` are text, too), numbers
    as float64, exactly. The index is the line in the file.

    Raises
    ------
    InputError
        If the file is missing, empty or no CSV, lacks a column, has a row with too many or too few fields or with an
        empty text, or a number that is not finite.
    """
    return next(read_tables(path, columns, numbers=numbers, optional=optional, exact_header=exact_header))


def read_tables(
    path: Path,
    columns: Sequence[str],
    *,
    numbers: Collection[str],
    optional: Sequence[str] = (),
    exact_header: bool = False,
    rows: int | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield columns of a CSV file, so many rows at a time (``None``: all at once); at least one table.

    See `read_table`.
    """
    with _as_csv(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        lines = ((reader.line_num, fields) for fields in reader if fields)
        wanted = ",".join(columns)
        first, header = next(lines, (0, []))
        if not header:
            raise InputError(f"{path}: expected a CSV file with the columns {wanted}, but got an empty file")
        if exact_header and header != list(columns):
            raise InputError(f"{path}: line {first}: expected the header {wanted}, but got {','.join(header)[:100]!r}")
        missing = [column for column in columns if column not in header]
        if missing:
            raise InputError(
                f"{path}: line {first}: expected the columns {wanted}, but got no {','.join(missing)} in "
                f"{','.join(header)[:100]!r}"
            )
        spelled = [
            (name, column) for name in header for column in optional if name != column and _alike(name) == column
        ]
        if spelled:
            raise InputError(
                f"{path}: line {first}: expected a column that is called {spelled[0][1]}, but got {spelled[0][0]!r}"
            )
        found = [*columns, *(column for column in optional if column in header)]
        twice = [column for column in found if header.count(column) > 1]
        if twice:
            raise InputError(f"{path}: expected each column once, but got {twice[0]} twice")
        some = list(islice(lines, rows))
        yield _table(path, header, found, some, numbers)
        while some and rows is not None:
            some = list(islice(lines, rows))
            if some:
                yield _table(path, header, found, some, numbers)


def _alike(name: str) -> str:
    """Return a column's name without blanks, in small letters and in the singular."""
    return name.strip().lower().removesuffix("s")


@contextmanager
def _as_csv(path: Path) -> Iterator[None]:
    """Say of errors in reading that the file is missing or no CSV."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: expected a CSV file, but it cannot be read ({error})") from None


def _table(
    path: Path,
    header: Sequence[str],
    found: Sequence[str],
    rows: Sequence[tuple[int, list[str]]],
    numbers: Collection[str],
) -> pd.DataFrame:
    """Return columns of some rows, each with its line."""
    for number, fields in rows:
        if len(fields) != len(header):
            raise InputError(
                f"{path}: line {number}: expected {len(header)} fields, but got {','.join(fields)[:100]!r}"
            )
    content = {column: [fields[header.index(column)] for _, fields in rows] for column in found}
    table = pd.DataFrame(content, index=[number for number, _ in rows], dtype=object)
    for column, texts in table.items():
        if column in numbers:
            finite = np.isfinite(np.asarray(pd.to_numeric(texts, errors="coerce"), np.float64))
            refuse(path, texts, ~finite, f"a finite number for {column}")
            table[column] = texts.to_numpy(object).astype(np.float64)  # exact, which pandas' own parser need not be
        else:
            refuse(path, texts, texts == "", f"a value for {column}")
    return table


def refuse(path: Path, values: pd.Series | pd.DataFrame, bad: ArrayLike, rule: str) -> None:
    """Refuse a file for its first bad row.

    Parameters
    ----------
    path
        The file.
    values
        ``(n,)`` or ``(n, k)``: what breaks the rule where it is broken; its index is the line in the file.
    bad
        ``(n,)``: where the rule is broken.
    rule
        What was expected.

    Raises
    ------
    InputError
        If there is a bad row.
    """
    rows = np.flatnonzero(np.asarray(bad, bool))
    if len(rows):
        got = values.iloc[rows[:1]].to_numpy().tolist()[0]
        more = f" (and {len(rows) - 1} more such lines)" if len(rows) > 1 else ""
        raise InputError(f"{path}: line {values.index[rows[0]]}: expected {rule}, but got {got!r}{more}")


def some_of(names: Iterable[str], at_most: int = 8) -> str:
    """Return the names, or the first few and how many there are."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:at_most])
    return shown if len(ordered) <= at_most else f"{shown}, ... ({len(ordered)} in all)"
