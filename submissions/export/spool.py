"""The picks of many tomograms in one file: added as tomograms are done, read back one or some at a time.

A row takes 34 bytes there, and none of it is held in memory but where each tomogram's rows lie.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np
import pandas as pd

from ensemble.clustering import FUSED_MEMBER, MEAN_MODEL
from postproc.candidates import empty_candidates, make_candidates
from tomograms.particles import Particle

ROW = np.dtype([("species", "<i2"), ("x", "<f8"), ("y", "<f8"), ("z", "<f8"), ("score", "<f8")])
ROWS, TOMOGRAMS = 50_000, 500
"""So many rows, or so many tomograms, are handed on at a time."""


class Spool:
    """Picks on a disk, by tomogram.

    Parameters
    ----------
    file
        Where they are added; open for reading and writing, and empty.
    particles
        Every species that may occur.
    """

    def __init__(self, file: BinaryIO, particles: Sequence[Particle]) -> None:
        self._file = file
        self._species = np.array([particle.name for particle in particles], object)
        self._codes = {particle.name: code for code, particle in enumerate(particles)}
        self._places: dict[str, tuple[BinaryIO, int, int]] = {}

    @property
    def names(self) -> list[str]:
        """The sorted names of all tomograms, those without picks among them."""
        return sorted(self._places)

    @property
    def places(self) -> dict[str, tuple[int, int]]:
        """Where each tomogram's rows begin in the file, in bytes, and how many there are."""
        return {name: (begin, count) for name, (_, begin, count) in self._places.items()}

    def add(self, name: str, picks: pd.DataFrame) -> None:
        """Add a tomogram's picks, clipped and in the candidates' total order."""
        rows = np.empty(len(picks), ROW)
        rows["species"] = [self._codes[species] for species in picks["particle_type"]]
        for column in ("x", "y", "z", "score"):
            rows[column] = picks[column]
        begin = self._file.seek(0, 2)
        self._file.write(rows.tobytes())
        self._file.flush()  # a disk that is full says so here
        self._places[name] = (self._file, begin, len(rows))

    def take(self, file: BinaryIO, places: Mapping[str, Sequence[int]]) -> None:
        """Take over what another spool of the same species holds in its file; see `places`."""
        self._places |= {name: (file, begin, count) for name, (begin, count) in places.items()}

    def read(self, name: str) -> pd.DataFrame:
        """Return a tomogram's picks, as candidates."""
        file, begin, count = self._places[name]
        file.seek(begin)
        rows = np.frombuffer(file.read(count * ROW.itemsize), ROW)
        position = np.stack([rows["x"], rows["y"], rows["z"]], axis=1)
        species = self._species[rows["species"]]
        return make_candidates(name, species, position, rows["score"], member=FUSED_MEMBER, model=MEAN_MODEL)

    def parts(self) -> Iterator[tuple[list[str], pd.DataFrame]]:
        """Yield all picks in the candidates' total order: some tomograms' names, and their picks."""
        names: list[str] = []
        for name in self.names:
            names.append(name)
            if sum(self._places[one][2] for one in names) >= ROWS or len(names) >= TOMOGRAMS:
                yield names, self._join(names)
                names = []
        if names:
            yield names, self._join(names)

    def tables(self) -> Iterator[pd.DataFrame]:
        """Yield all picks in the candidates' total order, some whole tomograms at a time."""
        return (table for _, table in self.parts())

    def of(self, species: str) -> pd.DataFrame:
        """Return all picks of a species in the total order."""
        return _joined([table[table["particle_type"] == species] for table in self.tables()])

    def _join(self, names: Sequence[str]) -> pd.DataFrame:
        return _joined([self.read(name) for name in names])


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else empty_candidates()
